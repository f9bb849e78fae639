/** One run of the subject with a failing system call, and the checks of the log afterwards. */
import { cp, rm } from 'node:fs/promises'
import { Violation } from '../history.ts'
import type { Contents } from '../history.ts'
import { readSerials } from '../torture/read-serials.ts'
import { WitnessedLog } from '../torture/witnessed-log.ts'
import { TRANSIENT } from './faults.ts'
import type { Fault } from './faults.ts'
import { straceFailing } from './strace.ts'

/** The initial log. Every run gets a copy. */
export interface Template {
  readonly dataDir: string
  readonly held: Contents
}

export interface FaultedRun {
  /** The number of calls that were made to fail. */
  readonly injected: number
  readonly acknowledged: number
  readonly rejected: number
}

/** The serial numbers of the subject's first record, and of the record that is appended after its run. */
const [SUBJECT_SERIAL, LAST_SERIAL] = [1000, 2000]

/** Makes the n-th call fail. Rejects with a `Violation`, and then keeps the copy of the log; or when aborted. */
export async function runWithFault(
  template: Template,
  { fault, nth, signal }: { fault: Fault; nth: number; signal: AbortSignal },
): Promise<FaultedRun> {
  const { name, calls, error, forGood } = fault
  const when = `${nth}${forGood ? '+' : ''}`
  const dataDir = `${template.dataDir}-${name}-${error}-${when}`
  await cp(template.dataDir, dataDir, { recursive: true })
  const task = { dataDir, held: template.held, firstSerial: SUBJECT_SERIAL }
  const { found, injected } = await straceFailing(task, { calls, error, when }, signal)
  const { acknowledged, rejected } = found
  if (found.openFiles.length > 0) throw new Violation(`12: files are still open: ${found.openFiles.join(', ')}`)
  if (!forGood && injected > 0) checkFailures(fault, found.failures)

  const serials = await readSerials(dataDir)
  const log = new WitnessedLog(dataDir, { firstSerial: LAST_SERIAL })
  log.history.allow(found.possible)
  await log.open()
  if (serials.join() !== log.history.acknowledged.join()) {
    const recovered = log.history.acknowledged.join(' ')
    throw new Violation(`4: a reader saw [${serials.join(' ')}], and after recovery [${recovered}]`)
  }
  if ((await log.append(1)) !== null) throw new Violation('6: an append was rejected without any fault')
  await log.close()
  await rm(dataDir, { recursive: true })
  return { injected, acknowledged, rejected }
}

/** A fault that strikes once must be reported once, and then everything works. A transient one is not reported. */
function checkFailures({ name, error, mayPass }: Fault, failures: number): void {
  const most = TRANSIENT.includes(error) ? 0 : 1
  const least = mayPass ? 0 : most
  if (failures > most) throw new Violation(`6: one ${error} from ${name} made ${failures} actions fail`)
  if (failures < least) throw new Violation(`1: ${error} from ${name} was not reported to any caller`)
}
