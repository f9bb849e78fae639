/** One fuzzed log, drawn from its seed: a good one, and what happened to it. */
import { Random } from '@sq/sim'
import { FORGERIES } from './forgeries.ts'
import { saltOf } from './frame-bytes.ts'
import type { Files, GoodLog } from './good-logs.ts'
import { MUTATIONS } from './mutations.ts'
import type { FileKind } from './watched-file-system.ts'

export interface FuzzCase {
  readonly log: GoodLog
  /** What happened, in order. */
  readonly mutations: readonly string[]
  /** The log's files now. */
  readonly files: Files
  /** How long files are, by name, with zeros behind their bytes; where nothing is said, as long as these. */
  readonly sizes: ReadonlyMap<string, number>
  /** Names that lead to something else than a regular file. */
  readonly kinds: ReadonlyMap<string, FileKind>
  /** Checksums were forged: the records may be any. */
  readonly forged: boolean
  /** Whole segments of other logs are there: a record may be one of theirs. */
  readonly sources: readonly GoodLog[]
  /** How large the segments of its next writer may be. */
  readonly maxSegmentBytes: number
}

const FORGED_SHARE = 0.4
const MAX_MUTATIONS = 3
/** Logs with large frames take long, and show few things that others do not. */
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
  // There are fewer kinds of forgery, and more to find with each.
  if (random.chance(FORGED_SHARE)) known.push(...Array.from({ length: 3 }, () => Object.entries(FORGERIES)).flat())
  const mutations: string[] = []
  for (let left = 1 + random.int(MAX_MUTATIONS); left > 0; left--) {
    const [name, mutate] = random.pick(known)
    mutations.push(name)
    mutate(material)
  }
  const salts = new Set(saltsOf(files))
  const sources = logs.filter((source) => source === log || saltsOf(source.files).some((salt) => salts.has(salt)))
  const forged = mutations.some((name) => name in FORGERIES)
  return { log, mutations, files, sizes, kinds, forged, sources, maxSegmentBytes: random.pick([300, 100_000]) }
}

/** What tells the segments among some files from those of other logs. */
function saltsOf(files: Files): (number | null)[] {
  return Array.from(files.values(), saltOf)
}
