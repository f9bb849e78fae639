/** A process of the part `archive`. Gets a `Task` as JSON, and prints an `Outcome`. */
import { mkdir, open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { listArchive, restoreLog } from '@sq/archive'
import { fs } from '../filled-log.ts'
import { timeOf } from '../measure.ts'
import { PLACE } from './archived.ts'
import { openContender } from './contender.ts'
import type { Contender } from './contender.ts'
import { forEachRange, rangesOf, RAW_AT_ONCE, RAW_RANGE_BYTES } from './ranges.ts'
import type { Outcome, Task } from './restoration.ts'

async function run({ what, location, to }: Task): Promise<Outcome> {
  const contender = await openContender(location)
  let bytes = 0
  const timeMs = await timeOf(async () => {
    if (what === 'restore') ({ bytes } = await restoreLog(contender.store, PLACE, { fs, config: { dataDir: to } }))
    else bytes = await download(contender, to)
  })
  return { timeMs, bytes, peakBytes: await peakBytes() }
}

/** The most memory that this process has held. On Linux, `maxRSS` is at least that of its parent. */
async function peakBytes(): Promise<number> {
  const status = await readFile('/proc/self/status', 'utf8').catch(() => '')
  const kibibytes = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]
  return 1024 * Number(kibibytes ?? process.resourceUsage().maxRSS)
}

/** Reads ranges in parallel, writes them to files, and syncs each file once. */
async function download({ store, raw }: Contender, to: string): Promise<number> {
  const { segments } = await listArchive(store, PLACE)
  await mkdir(to, { recursive: true })
  for (const [index, segment] of segments.entries()) {
    const file = await open(join(to, String(index)), 'wx')
    const ranges = rangesOf([segment], RAW_RANGE_BYTES)
    await forEachRange(ranges, RAW_AT_ONCE, async ({ key, position }, buffer) => {
      await raw.get(key, buffer, position)
      await file.write(buffer, 0, buffer.length, position)
    })
    await file.sync()
    await file.close()
  }
  return segments.reduce((sum, { bytes }) => sum + bytes, 0)
}

const parse: (task: string) => Task = JSON.parse
const [task] = process.argv.slice(2)
if (task === undefined) throw new Error('expected a task')
const outcome = await run(parse(task))
process.stdout.write(JSON.stringify(outcome), () => process.exit())
