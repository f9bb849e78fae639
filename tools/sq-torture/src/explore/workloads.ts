/** The workloads that are explored: every sequence of these steps up to a length. */
import { WalIoError } from '@sq/storage'
import type { LogUnderTest } from '../log/log-under-test.ts'
import { MAX_TIMESTAMP_MS } from '../ranges.ts'

/** An action of a broker on its log, or an event that happens to the log. */
export interface Step {
  readonly name: string
  /**
   * Takes part in sequences of up to `RARE_LENGTH` steps only. One more step in all sequences of three adds more than a
   * thousand workloads, and those with it differ little from shorter ones.
   */
  readonly isRare?: true
  /**
   * Is only the last step of a sequence. The log that it leaves is like those that other steps leave, and exploring all
   * steps after it would add thousands of images.
   */
  readonly isLast?: true
  /** What is done before the step. It is not stopped, because the sequences of common steps explore the same. */
  prepare?(log: LogUnderTest, serial: number): Promise<void>
  run(log: LogUnderTest, serial: number): Promise<void>
}

const RARE_LENGTH = 2

/** A value that is unique in its workload by its length and serial number. */
function value(length: number, serial: number): Buffer {
  return Buffer.alloc(length, `${serial},`)
}

/** The offset in the middle between the first and the next one. */
function middle(log: LogUnderTest): number {
  const { firstOffset } = log
  return firstOffset + Math.floor((log.history.acknowledged.length - firstOffset) / 2)
}

/** So many records before the end; the beginning if there are fewer: nothing can be appended if the disk is read-only. */
function beforeEnd(log: LogUnderTest, records: number): number {
  return Math.max(log.history.acknowledged.length - records, 0)
}

/** Appends a record, and a batch of two in a segment of its own. */
async function appendTwoSegments(log: LogUnderTest, serial: number): Promise<void> {
  await log.append(value(23, serial))
  await log.rotate()
  await log.append(value(24, serial), value(25, serial))
}

function unlessIoError(error: unknown): void {
  if (!(error instanceof WalIoError)) throw error
}

export const STEPS: readonly Step[] = [
  { name: 'append', run: (log, serial) => log.append(value(10, serial)) },
  { name: 'append-large', run: (log, serial) => log.append(value(1300, serial)) },
  { name: 'batch', run: (log, serial) => log.append(value(250, serial), value(251, serial), value(252, serial)) },
  {
    // The simulation has concurrent appends in all of its longer sequences.
    name: 'burst',
    isRare: true,
    async run(log, serial) {
      const first = log.append(value(20, serial))
      const second = log.append(value(21, serial))
      // A third append arrives while the first two are being written.
      await new Promise(setImmediate)
      await Promise.all([first, second, log.append(value(22, serial)), log.readDuringWrites()])
    },
  },
  {
    // Three frames in one write, which ends in another sector than it begins.
    name: 'append-encoded',
    isRare: true,
    run: (log, serial) =>
      log.appendEncoded([
        { content: [value(150, serial)] },
        { content: [value(151, serial), value(152, serial)] },
        { content: [value(153, serial)] },
      ]),
  },
  // The frame has 512 bytes. After other frames, it can end anywhere in a sector.
  { name: 'append-sector', run: (log, serial) => log.append(value(448, serial)) },
  { name: 'rotate', run: (log) => log.rotate() },
  { name: 'retention', run: (log) => log.deleteSegments() },
  {
    name: 'retention-during-appends',
    isRare: true,
    async prepare(log, serial) {
      await log.append(value(23, serial))
      await log.rotate()
      await log.append(value(24, serial))
      await log.rotate()
    },
    async run(log, serial) {
      const deleting = log.deleteSegments()
      // The first is written before anything is removed, the second while segments are removed.
      const first = log.append(value(25, serial))
      await new Promise(setImmediate)
      await Promise.all([deleting, first, log.append(value(26, serial))])
    },
  },
  {
    // The second call has nothing to delete, and makes the removal durable.
    name: 'retention-failure',
    isRare: true,
    isLast: true,
    prepare: appendTwoSegments,
    async run(log) {
      log.fs.faults.failNext('syncDirectory', 'EIO')
      await log.deleteSegments().catch(unlessIoError)
      log.fs.faults.clear()
      await log.deleteSegments()
    },
  },
  // All records are old enough, so the active segment is ended and deleted, too.
  { name: 'retention-by-age', run: (log) => log.deleteByAge({ keepFromMs: MAX_TIMESTAMP_MS + 1 }) },
  // In the middle of the log: inside a commit, or between commits or segments.
  { name: 'truncate', run: (log) => log.truncate(middle(log)) },
  // Inside a commit, or between commits or segments, and later behind all of them.
  {
    name: 'delete-records',
    isRare: true,
    async run(log, serial) {
      await log.deleteRecords(middle(log))
      await Promise.all([log.append(value(27, serial)), log.deleteRecords(middle(log))])
    },
  },
  { name: 'delete-all-records', isRare: true, run: (log) => log.deleteRecords(log.history.acknowledged.length) },
  {
    // Inside the batch, whose segment is the only one that is not deleted.
    name: 'truncate-during-deletion',
    isRare: true,
    isLast: true,
    prepare: appendTwoSegments,
    async run(log, serial) {
      await Promise.all([
        log.deleteRecords(beforeEnd(log, 2)),
        log.truncate(beforeEnd(log, 1)),
        log.append(value(26, serial)),
      ])
    },
  },
  // To an offset behind the end of the log.
  { name: 'reset', isRare: true, run: (log) => log.reset(log.history.acknowledged.length + 3) },
  {
    name: 'reset-during-deletion',
    isRare: true,
    isLast: true,
    prepare: appendTwoSegments,
    async run(log, serial) {
      const end = log.history.acknowledged.length
      await Promise.all([log.deleteRecords(beforeEnd(log, 1)), log.reset(end + 3), log.append(value(26, serial))])
    },
  },
  {
    name: 'reopen',
    async run(log) {
      await log.close()
      await log.open()
    },
  },
  {
    // A record is appended after the end of the checkpoint was decided, and before the last segment is copied.
    name: 'checkpoint',
    isRare: true,
    async run(log, serial) {
      const copying = log.fs.faults.hold('create', /checkpoint.*\.wal$/)
      const checkpoint = log.checkpoint()
      try {
        // A log without segments has nothing to copy.
        await Promise.race([copying.reached, checkpoint])
        await log.append(value(28, serial))
      } finally {
        copying.release()
        await checkpoint
      }
    },
  },
  {
    // Twice inside a segment that is linked in a checkpoint: the second one makes the file shorter.
    name: 'truncate-checkpointed',
    isRare: true,
    isLast: true,
    async prepare(log, serial) {
      await log.append(value(23, serial))
      await log.append(value(24, serial))
      await appendTwoSegments(log, serial)
      await log.checkpoint()
    },
    async run(log) {
      await log.truncate(beforeEnd(log, 3))
      await log.truncate(beforeEnd(log, 1))
    },
  },
  { name: 'delete-log', isRare: true, prepare: appendTwoSegments, run: (log) => log.deleteLog() },
  {
    name: 'sync-failure',
    async run(log, serial) {
      log.fs.faults.failNext('sync', 'EIO')
      await log.append(value(30, serial))
    },
  },
  {
    name: 'disk-full',
    async run(log, serial) {
      log.fs.faults.add({ on: 'write', fault: { error: 'ENOSPC', afterBytes: 48 } })
      await log.append(value(600, serial))
    },
  },
  {
    name: 'rotate-failure',
    async run(log, serial) {
      await log.rotate()
      log.fs.faults.failNext('syncDirectory', 'EIO')
      await log.append(value(40, serial))
      log.fs.faults.clear()
    },
  },
  {
    name: 'kill',
    async run(log) {
      log.die()
      log.fs.kill()
      await log.open()
    },
  },
  {
    name: 'power-cut',
    async run(log) {
      log.die()
      log.fs.crash()
      await log.open()
    },
  },
]

/** Every sequence of 1 to `length` steps, shorter ones first. Those over `RARE_LENGTH` have no rare step. */
export function sequences(length: number): Step[][] {
  const common = STEPS.filter(({ isRare }) => isRare !== true)
  const found: Step[][] = []
  for (let reached = 1; reached <= length; reached++) {
    found.push(...sequencesOf(reached <= RARE_LENGTH ? STEPS : common, reached))
  }
  return found
}

/** Every sequence of exactly `length` of these steps. */
function sequencesOf(steps: readonly Step[], length: number): Step[][] {
  if (length === 0) return [[]]
  return sequencesOf(steps, length - 1)
    .filter((before) => before.at(-1)?.isLast !== true)
    .flatMap((before) => steps.map((step) => [...before, step]))
}
