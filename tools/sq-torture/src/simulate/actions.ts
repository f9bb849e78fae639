/** What happens to a log while appends are in flight: what its broker does to it, and what the machine does. */
import type { Random } from '@sq/sim'
import type { LogUnderTest } from '../log/log-under-test.ts'
import { MAX_TIMESTAMP_MS } from '../ranges.ts'
import type { Machine } from './machine.ts'
import type { NewValues } from './new-values.ts'
import { drawChange } from './swarm.ts'
import type { Action } from './swarm.ts'

/** Checkpoints are read whenever the log is opened. */
const MAX_CHECKPOINTS = 2

/** What it takes to do something to a log. */
interface Doing {
  readonly machine: Machine
  readonly log: LogUnderTest
  readonly random: Random
  readonly values: NewValues
}

/** Resolves when it is done; never, if the process dies meanwhile. */
type Deed = (doing: Doing) => Promise<unknown> | void

/** Those that a fault may make fail. Those that are not here are done by the simulation itself. */
const DEEDS: Partial<Record<Action, Deed>> = {
  'append-encoded': appendEncoded,
  rotate: ({ log }) => log.rotate(),
  retention: ({ log }) => log.deleteSegments(),
  'retention-by-age': ({ log, random }) => log.deleteByAge({ keepFromMs: someTimestampMs(random) }),
  'delete-records': ({ log, random }) => log.deleteRecords(log.someOffset(random)),
  'delete-and-cut': deleteAndCut,
  'wrong-clock': goByWrongClock,
  truncate: ({ log, random }) => log.truncate(log.someOffset(random)),
  reset: ({ log, random }) => log.reset(offsetAside(log, random)),
  'delete-log': ({ log }) => log.deleteLog(),
  reopen: ({ log }) => log.close(),
  age: ({ log }) => log.clock.advance(2000),
  read: ({ log }) => log.readDuringWrites(),
  'read-range': ({ log, random }) => log.readSomeRange(random),
  fetch: ({ log, random }) => log.fetch(random),
  'fetch-and-cut': fetchAndCut,
  bounds: ({ log }) => log.checkBounds(),
  checkpoint: checkpointDuringAppends,
  ready: appendWhenReady,
  configure,
  evict: ({ machine }) => machine.fs.evict(),
}

/** Does something to one of the logs. */
export async function act(
  action: Action,
  { machine, random, values }: Pick<Doing, 'machine' | 'random' | 'values'>,
): Promise<void> {
  const deed = DEEDS[action]
  if (deed === undefined) return
  const { logs } = machine
  const log = logs.length === 1 ? logs[0] : random.pick(logs)
  await machine.tolerate(async () => deed({ machine, log, random, values }))
}

/** Encoded batches, some of them at an offset that must be refused. */
function appendEncoded({ log, random, values }: Doing): Promise<void> {
  const batches = Array.from({ length: 1 + random.int(5) }, () => values.batch())
  const aside = random.chance(0.2) ? random.pick([-1, 1]) : 0
  return log.untilDead(log.appendEncoded(batches, { aside }))
}

/** Deletes by age while the clock is ten years ahead. It may have been ahead when the log was opened, too. */
async function goByWrongClock({ log, random }: Doing): Promise<void> {
  const { clock } = log
  const aheadMs = 10 * 365 * 86_400_000
  const keepFromMs = someTimestampMs(random)
  if (random.chance(0.5)) {
    await log.close()
    const rightMs = clock.now()
    clock.setNow(rightMs + aheadMs)
    try {
      await log.open()
    } finally {
      clock.setNow(rightMs)
    }
  }
  await log.deleteByAge({ keepFromMs, aheadMs })
}

/**
 * Deletes records, and drops others before that has ended, and then appends. A segment that ends before the deletion
 * goes on must stay, also if its offsets were deleted before the reset.
 */
async function deleteAndCut({ log, random, values }: Doing): Promise<void> {
  const before = log.someOffset(random)
  const { length } = log.history.acknowledged
  const deletion = log.deleteRecords(before)
  const cut = random.chance(0.5)
    ? log.truncate(before + random.int(length - before + 1))
    : log.reset(offsetAside(log, random))
  const appends = [log.append(...values.some(3))]
  if (random.chance(0.5)) appends.push(log.rotate(), log.append(...values.some(3)))
  await allSettle([deletion, cut, ...appends])
}

/** Fetches, also with long polls, while records are deleted or dropped or the log is deleted. */
async function fetchAndCut({ log, random, values }: Doing): Promise<void> {
  const cut = random.pick([
    () => log.deleteSegments(),
    () => log.deleteRecords(log.someOffset(random)),
    () => log.truncate(log.someOffset(random)),
    () => log.reset(offsetAside(log, random)),
    () => log.deleteLog(),
  ])
  await log.fetchDuring(random, async () => {
    await cut()
    await log.append(...values.some(3))
  })
}

/** Makes a checkpoint, and appends what must not be in it: its end is decided before these appends. */
async function checkpointDuringAppends({ log, random, values }: Doing): Promise<void> {
  if (log.checkpoints >= MAX_CHECKPOINTS) return
  const { writer } = log
  const checkpoint = log.checkpoint()
  // A failure is reported by the wait below.
  checkpoint.catch(() => {})
  for (let turns = random.int(40); turns > 0; turns--) await new Promise(setImmediate)
  // The process may have died meanwhile.
  const appending = log.isOpen && log.writer === writer ? log.append(...values.some(3)) : Promise.resolve()
  await allSettle([checkpoint, appending])
}

/** Several callers wait for room, some of which give up, and the log may be closed under them. */
async function appendWhenReady({ machine, log, random, values }: Doing): Promise<void> {
  const { logs } = machine
  const callers = Array.from({ length: 1 + random.int(5) }, async () => {
    const abort = new AbortController()
    const isSizeStated = random.chance(0.7)
    const turns = random.chance(0.2) ? random.int(10) : Infinity
    const waiting = random.pick(logs).appendWhenReady(values.one(), { isSizeStated, signal: abort.signal })
    // A failure is reported by the wait below.
    waiting.catch(() => {})
    if (turns < Infinity) await abortAfter(turns, abort)
    await waiting
  })
  const closing = random.chance(0.2) ? log.close() : Promise.resolve()
  await allSettle([...callers, closing])
}

/** Rejects as the first of them that does, but only once all have settled: nothing is in flight then. */
async function allSettle(work: readonly Promise<unknown>[]): Promise<void> {
  await Promise.allSettled(work)
  await Promise.all(work)
}

async function abortAfter(turns: number, abort: AbortController): Promise<void> {
  for (let left = turns; left > 0; left--) await new Promise(setImmediate)
  abort.abort(new Error('the caller gave up'))
}

function configure({ machine, log, random }: Doing): void {
  log.configure({ ...drawChange(random), maxSegmentBytes: random.pick([1000, 5000, 100_000]) })
  if (random.chance(0.5)) machine.limits.configure(random.pick([2000, 20_000, 1_000_000]))
}

/** A time between the timestamps. */
function someTimestampMs(random: Random): number {
  return 1 + random.int(MAX_TIMESTAMP_MS + 1)
}

/** An offset that is not where the log will end: before that, or after all that is in flight. */
function offsetAside({ history }: LogUnderTest, random: Random): number {
  const { acknowledged, submittedEnd } = history
  const isBehind = acknowledged.length === 0 || random.chance(0.7)
  return isBehind ? submittedEnd + 1 + random.int(5) : random.int(acknowledged.length)
}
