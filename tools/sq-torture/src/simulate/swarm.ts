/**
 * The configuration of a seed, for swarm testing: each run has a random subset of the features and faults. So rare
 * combinations occur that a run with all of them would hide (Groce et al., "Swarm Testing", ISSTA 2012).
 */
import type { Random } from '@sq/sim'
import type { FailedSyncModel, InMemoryFileSystem } from '@sq/sim/memory'
import type { WalConfig } from '@sq/storage'

export interface Swarm {
  readonly failedSync: FailedSyncModel
  readonly weakNames: boolean
  readonly config: WalConfig
  /** The number of other logs in the process, which share limits with the log. */
  readonly neighbours: number
  /** The limit of what waits in all logs together. */
  readonly maxSharedBytes: number
  /** Whether readers read batches. Otherwise no batch is opaque. */
  readonly inBatches: boolean
  /** The maximum number of appends in flight. */
  readonly concurrency: number
  readonly steps: number
  /** Draws the length of a value. */
  length(random: Random): number
  /** Whether there is a tailing reader in the process of the writer. */
  readonly tails: boolean
  /** The most turns of the event loop that a tailing reader spends on a record. */
  readonly busyTurns: number
  /** Whether there is a tailing reader in another process, and which records it wants. */
  readonly otherProcessTails: 'all' | 'durable only' | null
  readonly actions: readonly Action[]
  readonly faults: readonly Fault[]
}

export type Action = (typeof ACTIONS)[number]
export type Fault = (typeof FAULTS)[number]['name']

const ACTIONS = [
  'batch',
  'append-encoded',
  'rotate',
  'retention',
  'retention-by-age',
  'delete-records',
  'delete-and-cut',
  'wrong-clock',
  'truncate',
  'reset',
  'delete-log',
  'reopen',
  'age',
  'read',
  'read-range',
  'fetch',
  'fetch-and-cut',
  'bounds',
  'checkpoint',
  'ready',
  'configure',
  'power-cut',
  'kill',
  'evict',
] as const

/** Those that leave nothing of their own in this process, so that it can die in the middle of them. */
const INTERRUPTIBLE: ReadonlySet<string> = new Set<Action>([
  'append-encoded',
  'rotate',
  'retention',
  'delete-records',
  'delete-and-cut',
  'truncate',
  'reset',
  'delete-log',
  'checkpoint',
  'ready',
])

export function isInterruptible(action: Action): boolean {
  return INTERRUPTIBLE.has(action)
}

/** Every fault strikes once, at a later operation. */
const FAULTS = [
  { name: 'sync fails', on: 'sync', fault: { error: 'EIO' } },
  { name: 'sync finds no space', on: 'sync', fault: { error: 'ENOSPC' } },
  { name: 'write fails', on: 'write', fault: { error: 'EIO' } },
  { name: 'disk full', on: 'write', fault: { error: 'ENOSPC', afterBytes: 100 } },
  { name: 'short write', on: 'write', fault: { shortBytes: 37 } },
  { name: 'interrupted', on: 'write', fault: { error: 'EINTR' } },
  { name: 'directory sync fails', on: 'syncDirectory', fault: { error: 'EIO' } },
  { name: 'rename fails', on: 'rename', fault: { error: 'EIO' } },
  { name: 'no descriptors', on: ['open', 'create'], fault: { error: 'EMFILE' } },
  { name: 'unlink fails', on: 'unlink', fault: { error: 'EIO' } },
  { name: 'read fails', on: 'read', fault: { error: 'EIO' } },
  { name: 'truncate fails', on: 'truncate', fault: { error: 'EIO' } },
  { name: 'stat or readdir fails', on: ['stat', 'size', 'readdir'], fault: { error: 'EIO' } },
  { name: 'close fails', on: 'close', fault: { error: 'EIO' } },
  { name: 'mkdir fails', on: 'mkdir', fault: { error: 'ENOSPC' } },
  { name: 'locking fails', on: 'lock', fault: { error: 'ENOLCK' } },
  { name: 'slow', on: ['write', 'sync', 'syncDirectory'], fault: { turns: 5 } },
] as const

/** Lengths at the borders of records, frames, sectors and pages. */
const EDGES = [0, 1, 7, 8, 9, 446, 447, 448, 449, 504, 511, 512, 513, 520, 4031, 4032, 4033, 4088, 4096, 4104]

export function drawSwarm(random: Random): Swarm {
  const some = <T>(all: readonly T[]): T[] => {
    const share = random.float()
    return all.filter(() => random.chance(share))
  }
  const lengths = random.pick(['edges', 'small', 'mixed'] as const)
  const actions = some(ACTIONS)
  const maxSegmentBytes = random.pick([1, 300, 1000, 5000, 100_000])
  return {
    failedSync: random.pick(['ext4', 'btrfs', 'readonly'] as const),
    weakNames: random.chance(0.5),
    config: { dataDir: '/d', maxSegmentBytes, ...drawChange(random) },
    neighbours: random.chance(0.2) ? 1 + random.int(2) : 0,
    maxSharedBytes: random.pick([2000, 20_000, 1_000_000]),
    inBatches: random.chance(0.5),
    // Many small segments make a run slow, and find nothing that a few do not.
    concurrency: maxSegmentBytes < 1000 ? random.pick([1, 2, 4]) : random.pick([1, 2, 8, 30]),
    steps: 5 + random.int(maxSegmentBytes < 1000 ? 10 : 25),
    length(draw) {
      if (lengths === 'small' || (lengths === 'mixed' && draw.chance(0.7))) return draw.int(60)
      return lengths === 'edges' ? draw.pick(EDGES) : draw.int(10_000)
    },
    tails: random.chance(0.5),
    actions,
    faults: some(FAULTS.map(({ name }) => name)),
    busyTurns: random.pick([0, 3, 30]),
    otherProcessTails: random.chance(0.4) ? random.pick(['all', 'durable only'] as const) : null,
  }
}

/** Options that may also change while the log is open. */
export function drawChange(random: Random): Omit<WalConfig, 'dataDir'> {
  return {
    maxSegmentAgeMs: random.pick([1000, Infinity]),
    maxPendingBytes: random.pick([3000, 100_000]),
  }
}

/** Sets a fault, which strikes at one of the next operations of its kind. */
export function strike(fs: InMemoryFileSystem, fault: Fault, random: Random): void {
  const rule = FAULTS.find(({ name }) => name === fault)
  if (rule === undefined) throw new Error(`there is no fault ${fault}`)
  fs.faults.add({ on: rule.on, when: { nth: 1 + random.int(6) }, fault: withLostPages(rule.fault, random) })
}

/** The pages that a failed sync loses are random, too. */
function withLostPages<T extends object>(fault: T, random: Random): T {
  return 'error' in fault ? { ...fault, lostPages: random } : fault
}
