/** The cost of functions on a log of many segments: file system operations, and array elements visited. */
import { InMemoryFileSystem } from '@sq/sim/memory'
import { expect, it } from 'vitest'
import { listExpired, listSegments, repair, verify, WalReader, WalWriter } from '../index.ts'
import { flipped } from '../testing/hand-bytes.ts'
import { LogFixture, TIMESTAMP_MS } from '../testing/log-fixture.ts'
import { SegmentBytes } from '../testing/segment-bytes.ts'

/** What a task cost. */
interface Costs {
  readonly operations: number
  /** The number of names in listed directories. */
  readonly names: number
  readonly steps: number
}

/** Methods that visit an array. Each call counts as many steps as the array has elements. */
const SEARCHES = [
  'find',
  'findIndex',
  'findLast',
  'findLastIndex',
  'indexOf',
  'includes',
  'some',
  'every',
  'filter',
] as const
const PASSES = ['map', 'flatMap', 'reduce', 'toSorted', 'toReversed'] as const

/** Runs the action, and counts the elements that it visits in any array. */
async function countingSteps(action: () => Promise<unknown>): Promise<number> {
  const methods: object = Array.prototype
  let steps = 0
  const restore = [...SEARCHES, ...PASSES].map((name) => {
    const original = Object.getOwnPropertyDescriptor(methods, name) ?? expect.unreachable(name)
    const method: (this: unknown, ...rest: unknown[]) => unknown = original.value
    const value = function counted(this: readonly unknown[], ...rest: unknown[]): unknown {
      steps += this.length
      return Reflect.apply(method, this, rest)
    }
    Object.defineProperty(methods, name, { ...original, value })
    return () => Object.defineProperty(methods, name, original)
  })
  try {
    await action()
  } finally {
    for (const undo of restore) undo()
  }
  return steps
}

/** A log of segments with one record each, all but the last sealed. */
async function logOf(segments: number, isDamaged: boolean): Promise<LogFixture> {
  const log = new LogFixture({}, new InMemoryFileSystem())
  let previous: SegmentBytes | null = null
  const files: { baseOffset: number; bytes: Buffer }[] = []
  for (let baseOffset = 0; baseOffset < segments; baseOffset++) {
    const segment: SegmentBytes = new SegmentBytes({
      baseOffset,
      previous: previous?.link ?? null,
      segmentId: BigInt(baseOffset),
    })
    segment.records('v')
    if (baseOffset < segments - 1) segment.seal()
    const bytes = isDamaged ? flipped(segment.bytes, 8 * (segment.headBytes + 45)) : segment.bytes
    files.push({ baseOffset, bytes })
    previous = segment
  }
  await log.makeSegments(...files)
  return log
}

async function costsOf(
  task: (log: LogFixture) => Promise<unknown>,
  segments: number,
  isDamaged: boolean,
): Promise<Costs> {
  const log = await logOf(segments, isDamaged)
  const names = { listed: 0 }
  const readdir = log.fs.readdir.bind(log.fs)
  log.fs.readdir = async (path) => {
    const found = await readdir(path)
    names.listed += found.length
    return found
  }
  const before = log.fs.operations.count()
  const steps = await countingSteps(() => task(log))
  return { operations: log.fs.operations.count() - before, names: names.listed, steps }
}

const isDamaged = true

it.each<[string, (log: LogFixture) => Promise<unknown>, boolean?]>([
  ['reading it', (log) => log.values()],
  ['listing its segments', (log) => listSegments(log.fs, log.config, 'orders', 0)],
  ['verifying it', (log) => verify(log.fs, log.config, 'orders', 0)],
  ['verifying it where every segment is damaged', (log) => verify(log.fs, log.config, 'orders', 0), isDamaged],
  ['opening it for writing', async (log) => (await log.open()).close()],
  [
    'finding what has expired',
    (log) => listExpired(log.fs, log.config, 'orders', 0, { policy: { maxTotalBytes: 0 }, nowMs: TIMESTAMP_MS }),
  ],
  [
    'deleting what has expired',
    async (log) => {
      await using writer = await WalWriter.open(log.fs, log.config, 'orders', 0)
      await writer.deleteSegments({ maxTotalBytes: 0 })
    },
  ],
  [
    'truncating it',
    async (log) => {
      await using writer = await WalWriter.open(log.fs, log.config, 'orders', 0)
      await writer.truncate(0n)
    },
  ],
  [
    'finding a time in it',
    async (log) => {
      const reader = await WalReader.open(log.fs, log.config, 'orders', 0)
      await reader.offsetAt(TIMESTAMP_MS + 1)
    },
  ],
  [
    'dropping all of it but the last segment',
    async (log) => {
      const { problems } = await verify(log.fs, log.config, 'orders', 0)
      const problem = problems.at(-2) ?? expect.unreachable('there should be problems')
      await repair(log.fs, log.config, 'orders', 0, { problem, repair: 'drop-through' })
    },
    isDamaged,
  ],
])('%s costs the same per segment in a log with more segments', async (_, task, damaged = false) => {
  const once = await costsOf(task, 40, damaged)
  const twice = await costsOf(task, 80, damaged)
  const fourTimes = await costsOf(task, 160, damaged)
  for (const name of ['operations', 'names', 'steps'] as const) {
    // If the cost is linear, 80 more segments cost twice as much as 40 more; if it is quadratic, four times.
    expect(fourTimes[name] - twice[name], name).toBeLessThanOrEqual(2.5 * (twice[name] - once[name]))
  }
})
