/**
 * The process whose system calls are made to fail or traced. It opens a log, appends, rotates, closes, opens it again
 * and continues. After a failure it goes to its next action. At the end it prints the results that its callers got.
 */
import { readdirSync, readlinkSync, writeSync } from 'node:fs'
import { WalError } from '@sq/storage'
import { WitnessedLog } from '../torture/witnessed-log.ts'
import { acknowledgement } from './subject-task.ts'
import type { SubjectFound, SubjectTask } from './subject-task.ts'

/** The time limit: a promise that never settles would keep this process alive. */
const PATIENCE_MS = 20_000
const STDOUT = 1

// Not `process.exit`, which waits for calls that hang.
setTimeout(() => process.kill(process.pid, 'SIGKILL'), PATIENCE_MS).unref()

const { dataDir, firstSerial, held }: SubjectTask = JSON.parse(process.argv[2] ?? '')
const log = new WitnessedLog(dataDir, { firstSerial, onAcknowledged: (serials) => tell(acknowledgement(serials)) })
log.history.allow([held])
let otherFailures = 0

await attempt(() => together(log.append(1), log.append(2), log.append(1)))
await attempt(() => log.append(1))
await attempt(() => log.rotate())
await attempt(() => together(log.append(1), log.rotate(), log.append(1)))
await attempt(() => log.check())
await attempt(() => log.append(1))
await attempt(() => log.close())
await attempt(() => log.append(3))
await attempt(() => log.rotate())
await attempt(() => log.append(1))
await attempt(() => log.close())
await attempt(() => log.append(1))
await attempt(() => log.append(1))
await attempt(() => log.close())

const found: SubjectFound = {
  possible: log.history.possible(),
  acknowledged: log.acknowledged,
  rejected: log.rejected,
  failures: log.failures.size + otherFailures,
  openFiles: openFiles(),
}
tell(JSON.stringify(found))

/** Runs an action on the log, and opens it first if it is closed. */
async function attempt(step: () => Promise<unknown>): Promise<void> {
  try {
    if (!log.isOpen) await log.open()
    await step()
  } catch (error) {
    if (!(error instanceof WalError) || error.code !== 'SQ_WAL_IO') throw error
    otherFailures++
  }
}

/** Waits for all of them, even if one rejects. */
async function together(...steps: Promise<unknown>[]): Promise<void> {
  await Promise.allSettled(steps)
  await Promise.all(steps)
}

/** The files of the log that this process has open. */
function openFiles(): string[] {
  return readdirSync('/proc/self/fd').flatMap((descriptor) => {
    try {
      const path = readlinkSync(`/proc/self/fd/${descriptor}`)
      return path.startsWith(dataDir) ? [path] : []
    } catch {
      // The descriptor of the listing itself.
      return []
    }
  })
}

function tell(line: string): void {
  writeSync(STDOUT, `${line}\n`)
}
