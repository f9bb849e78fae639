/** A fuzzed log, drawn from its seed: an intact log and its mutations. */
import { Random } from '@sq/sim'
import { FORGERIES } from './forgeries.ts'
import { saltOf } from './frame-bytes.ts'
import type { Files, GoodLog } from './good-logs.ts'
import { MUTATIONS } from './mutations.ts'
import type { FileKind } from './watched-file-system.ts'

export interface FuzzCase {
  readonly log: GoodLog
  /** The mutations, in order. */
  readonly mutations: readonly string[]
  /** The files after the mutations. */
  readonly files: Files
  /** The sizes of files that are longer than their bytes, by name. The rest is zeros. */
  readonly sizes: ReadonlyMap<string, number>
  /** Names that are not regular files. */
  readonly kinds: ReadonlyMap<string, FileKind>
  /** Whether checksums were forged. Then the log can have any records. */
  readonly forged: boolean
  /** Whether there are segments of other logs. Then a record can be one of theirs. */
  readonly sources: readonly GoodLog[]
  /** The size limit of segments for the next writer. */
  readonly maxSegmentBytes: number
}

const FORGED_SHARE = 0.4
const MAX_MUTATIONS = 3
const LOCK = 'lock'
/** Logs with large frames are slow, and find little that others do not. */
const LARGE_SHARE = 0.02

export function drawCase(logs: readonly GoodLog[], seed: number): FuzzCase {
  const random = new Random(seed)
  const isLarge = random.chance(LARGE_SHARE)
  const log = random.pick(logs.filter(({ name }) => (name === 'large frame') === isLarge))
  const files: Files = new Map(log.files)
  const others = logs.filter((other) => other !== log && other.files.size > 0 && other.name !== 'large frame')
  const sizes = new Map<string, number>()
  const kinds = new Map<string, FileKind>()
  const material = { files, sizes, kinds, others: others.map((other) => other.files), random }
  const known = Object.entries(MUTATIONS)
  // There are fewer kinds of forgery, but each finds more.
  if (random.chance(FORGED_SHARE)) known.push(...Array.from({ length: 3 }, () => Object.entries(FORGERIES)).flat())
  const mutations: string[] = []
  for (let left = 1 + random.int(MAX_MUTATIONS); left > 0; left--) {
    const [name, mutate] = random.pick(known)
    mutations.push(name)
    mutate(material)
  }
  // If a writer creates a file of a name that is gone, it is an ordinary one. Only `lock` need not be there before.
  for (const name of sizes.keys()) if (!files.has(name)) sizes.delete(name)
  for (const name of kinds.keys()) if (!files.has(name) && name !== LOCK) kinds.delete(name)
  const salts = new Set(saltsOf(files))
  const sources = logs.filter((source) => source === log || saltsOf(source.files).some((salt) => salts.has(salt)))
  const forged = mutations.some((name) => name in FORGERIES)
  return { log, mutations, files, sizes, kinds, forged, sources, maxSegmentBytes: random.pick([300, 100_000]) }
}

/** Identifies the segments of a log among those of other logs. */
function saltsOf(files: Files): (number | null)[] {
  return Array.from(files.values(), saltOf)
}
