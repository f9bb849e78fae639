/**
 * What a power cut may leave on a disk: one version of each sector, one size of each file, and some of the changed
 * names. The alternatives are listed as crash points, so that a seed can choose them or all can be tried.
 */
import { createHash } from 'node:crypto'
import { Random } from '../random.ts'
import type { DirectoryState, DiskState, FileState, Inode, NameChange } from './durable-state.ts'
import { SECTOR_BYTES } from './durable-state.ts'

/**
 * A place where the state of the disk is undecided. Alternative 0 is the durable state, the last one is what processes
 * see. For the names of a directory it is the number of changes that survived; if their order does not matter, each
 * change is a point of its own.
 */
export interface CrashPoint {
  readonly kind: 'names' | 'size' | 'sector'
  /** The path of the directory or file; for one change of a directory, the path of the changed name. */
  readonly path: string
  /** The number of the sector, for a sector. */
  readonly sector?: number
  /** The number of alternatives: 2 or more. */
  readonly alternatives: number
}

/**
 * What reads return for a sector that was never written but lies within the size of the file. `stale`: what the file
 * had there before it was truncated; otherwise the content of the same sector of another file or, if there is none, of
 * another sector of this file.
 */
export type Fill = 'zeros' | 'garbage' | 'stale'

/** One possible result of a power cut: for each crash point, the alternative that is on the disk. */
export interface CrashChoice {
  /** The alternative of each crash point, in order; 0 for missing ones. */
  readonly picks: readonly number[]
  /** `zeros` if not given. */
  readonly fill?: Fill
  readonly torn?: TornSector
}

/** A sector of which only the beginning was written. Bytes that did not change stay as they were. */
export interface TornSector {
  /** The number of its crash point. Nothing is torn if alternative 0 is chosen there. */
  readonly point: number
  /** This number of bytes comes from the chosen version, the rest from the version before. */
  readonly bytes: number
  /** The rest is garbage where the two versions differ. */
  readonly garbage?: boolean
}

/**
 * The content of a disk. Two images with the same content have the same digest.
 *
 * @example
 * ```ts
 * const image = new CrashImage(new Map([['/log', Buffer.from('hello')]]))
 * const fs = new InMemoryFileSystem({ image })
 * console.log((await fs.stat('/log')).sizeBytes) // 5
 * ```
 */
export class CrashImage {
  /** By path, parents first: the bytes of a file, null for a directory. */
  readonly entries: ReadonlyMap<string, Uint8Array | null>
  /**
   * The hard links: by each further path of a file, its first path in `entries`. `entries` has both, with the bytes.
   */
  readonly links: ReadonlyMap<string, string>

  constructor(entries: ReadonlyMap<string, Uint8Array | null>, links: ReadonlyMap<string, string> = new Map()) {
    this.entries = entries
    this.links = links
  }

  /** The SHA-256 of names, bytes and hard links, in base64. */
  digest(): string {
    const hash = createHash('sha256')
    for (const path of [...this.entries.keys()].toSorted()) {
      const bytes = this.entries.get(path)
      hash.update(`${path}\0${bytes ? bytes.byteLength : 'directory'}\0`)
      if (bytes) hash.update(bytes)
      const linked = this.links.get(path)
      if (linked !== undefined) hash.update(`\0${linked}\0`)
    }
    return hash.digest('base64')
  }
}

interface UndecidedFile {
  readonly sizes: readonly number[]
  sizePoint: number
  /** By sector: the number of its crash point. */
  readonly sectorPoints: Map<number, number>
}

/**
 * The alternatives of one moment. Valid until the next operation on the file system.
 *
 * @example
 * ```ts
 * const fs = new InMemoryFileSystem()
 * await fs.open('/log', 'create') // without `syncDirectory`, the name may be there or not
 * const state = fs.crashState()
 * for (const choice of state.everyChoice()) console.log(state.image(choice).entries.has('/log')) // false, true
 * ```
 */
export class CrashState {
  readonly points: readonly CrashPoint[]
  readonly #disk: DiskState
  readonly #weakNames: boolean
  readonly #directories = new Map<DirectoryState, number>()
  readonly #changes = new Map<NameChange, number>()
  readonly #files = new Map<FileState, UndecidedFile>()

  constructor(disk: DiskState, weakNames: boolean) {
    this.#disk = disk
    this.#weakNames = weakNames
    const points: CrashPoint[] = []
    for (const inode of disk.inodes()) {
      if (inode.kind === 'directory') this.#addNames(points, inode)
      else this.#addFile(points, inode)
    }
    this.points = points
  }

  /** The content of the disk for a choice. Nothing changes. */
  image(choice: CrashChoice): CrashImage {
    const names = this.#names(choice)
    const entries = new Map<string, Uint8Array | null>()
    // A directory that was moved twice may have both names: a check of the disk leaves the first.
    const placed = new Set<Inode>([this.#disk.root])
    const links = new Map<string, string>()
    const paths = new Map<FileState, string>()
    const add = (directory: DirectoryState, path: string): void => {
      for (const [name, inode] of names.get(directory) ?? directory.durableNames) {
        const child = `${path}/${name}`
        if (inode.kind === 'file') {
          const first = paths.get(inode)
          entries.set(child, (first === undefined ? null : entries.get(first)) ?? this.#bytes(inode, choice))
          if (first === undefined) paths.set(inode, child)
          else links.set(child, first)
        } else if (!placed.has(inode)) {
          placed.add(inode)
          entries.set(child, null)
          add(inode, child)
        }
      }
    }
    add(this.#disk.root, '')
    return new CrashImage(entries, links)
  }

  /** The number of choices of `everyChoice`. */
  get combinations(): number {
    return this.points.reduce((product, { alternatives }) => product * alternatives, 1)
  }

  /** Every combination of alternatives, first the durable state. The caller chooses fill and torn sector. */
  *everyChoice(): Generator<CrashChoice, void> {
    const picks = this.points.map(() => 0)
    for (;;) {
      yield { picks: [...picks] }
      let index = 0
      for (const { alternatives } of this.points) {
        const next = ((picks[index] ?? 0) + 1) % alternatives
        picks[index] = next
        if (next !== 0) break
        index++
      }
      if (index === picks.length) return
    }
  }

  /**
   * A random choice. One in four keeps everything, one in four nothing, one in four the changes up to some point; the
   * rest choose for each point separately.
   */
  randomChoice(random: Random): CrashChoice {
    const style = random.int(4)
    const cut = random.int(this.points.length + 1)
    const picks = this.points.map(({ alternatives }, index) => {
      if (style === 0) return 0
      if (style === 1 || (style === 2 && index < cut)) return alternatives - 1
      return style === 2 ? 0 : random.int(alternatives)
    })
    const fill = random.pick(['zeros', 'garbage', 'stale'] as const)
    const sectors = this.points.flatMap(({ kind }, index) => (kind === 'sector' && picks[index] !== 0 ? [index] : []))
    if (sectors.length === 0 || random.chance(0.5)) return { picks, fill }
    const torn = { point: random.pick(sectors), bytes: random.int(SECTOR_BYTES), garbage: random.chance(0.5) }
    return { picks, fill, torn }
  }

  /**
   * Where the sector of a crash point can be torn, its last alternative over the one before, so that no two results are
   * equal: ascending numbers of bytes, each the end of a changed byte. Empty for other points.
   */
  tears(point: number): number[] {
    for (const [file, { sectorPoints }] of this.#files) {
      for (const [sector, its] of sectorPoints) {
        if (its !== point) continue
        const versions = file.versions.get(sector) ?? []
        const position = sector * SECTOR_BYTES
        const before = versions.at(-2) ?? file.durable(position, position + SECTOR_BYTES)
        const ends = [...(versions.at(-1) ?? [])].flatMap((byte, i) => (byte === (before[i] ?? 0) ? [] : [i + 1]))
        // With the last of them the sector is complete.
        return ends.slice(0, -1)
      }
    }
    return []
  }

  #addNames(points: CrashPoint[], directory: DirectoryState): void {
    const { path, pending } = directory
    if (pending.length === 0) return
    this.#directories.set(directory, points.length)
    if (!this.#weakNames) points.push({ kind: 'names', path, alternatives: pending.length + 1 })
    else {
      for (const change of pending) {
        // A rename between two directories is pending in both.
        if (this.#changes.has(change)) continue
        this.#changes.set(change, points.length)
        points.push({ kind: 'names', path: directory.pathOf(change.edits[0]?.name ?? ''), alternatives: 2 })
      }
    }
  }

  #addFile(points: CrashPoint[], file: FileState): void {
    const { path } = file
    const sizes = file.possibleSizes()
    if (sizes.length === 1 && file.versions.size === 0) return
    const undecided: UndecidedFile = { sizes, sizePoint: -1, sectorPoints: new Map() }
    this.#files.set(file, undecided)
    if (sizes.length > 1) {
      undecided.sizePoint = points.length
      points.push({ kind: 'size', path, alternatives: sizes.length })
    }
    for (const sector of [...file.versions.keys()].toSorted((a, b) => a - b)) {
      undecided.sectorPoints.set(sector, points.length)
      points.push({ kind: 'sector', path, sector, alternatives: 1 + (file.versions.get(sector)?.length ?? 0) })
    }
  }

  /** The surviving names of the directories with undecided changes. */
  #names({ picks }: CrashChoice): Map<DirectoryState, Map<string, Inode>> {
    const survives = (directory: DirectoryState, change: NameChange): boolean => {
      if (this.#weakNames) return picks[this.#changes.get(change) ?? -1] === 1
      return directory.pending.indexOf(change) < (picks[this.#directories.get(directory) ?? -1] ?? 0)
    }
    const names = new Map<DirectoryState, Map<string, Inode>>()
    for (const directory of this.#directories.keys()) names.set(directory, new Map(directory.durableNames))
    for (const directory of this.#directories.keys()) {
      for (const change of directory.pending) {
        if (!change.edits.every((edit) => survives(edit.directory, change))) continue
        for (const edit of change.edits) {
          if (edit.directory !== directory) continue
          if (edit.inode) names.get(directory)?.set(edit.name, edit.inode)
          else names.get(directory)?.delete(edit.name)
        }
      }
    }
    return names
  }

  #bytes(file: FileState, choice: CrashChoice): Uint8Array {
    const undecided = this.#files.get(file)
    const size = undecided?.sizes[choice.picks[undecided.sizePoint] ?? 0] ?? file.durableSizeBytes
    const sectors = Math.ceil(size / SECTOR_BYTES)
    const bytes = new Uint8Array(sectors * SECTOR_BYTES)
    const firstNew = Math.ceil(file.durableSizeBytes / SECTOR_BYTES)
    bytes.set(file.durable(0, Math.min(sectors, firstNew) * SECTOR_BYTES))
    if (choice.fill !== undefined && choice.fill !== 'zeros') {
      const unwritten = new Set(file.unwritten)
      for (let sector = firstNew; sector < sectors; sector++) unwritten.add(sector)
      for (const sector of unwritten) if (sector < sectors) this.#fill(bytes, { file, sector, fill: choice.fill })
    }
    for (const [sector, point] of undecided?.sectorPoints ?? []) {
      const pick = choice.picks[point] ?? 0
      const versions = file.versions.get(sector) ?? []
      const version = versions[pick - 1]
      if (!version || sector >= sectors) continue
      const target = bytes.subarray(sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES)
      if (choice.torn?.point === point) tear(target, version, { ...choice.torn, before: versions[pick - 2] })
      else target.set(version)
    }
    return bytes.subarray(0, size)
  }

  #fill(bytes: Uint8Array, { file, sector, fill }: { file: FileState; sector: number; fill: Fill }): void {
    const position = sector * SECTOR_BYTES
    const target = bytes.subarray(position, position + SECTOR_BYTES)
    if (fill === 'garbage') return target.set(new Random(file.id * 2 ** 32 + sector).bytes(SECTOR_BYTES))
    const freed = file.freed.get(sector)
    if (freed !== undefined) return target.set(freed)
    for (const other of this.#disk.inodes()) {
      if (other === file || other.kind !== 'file' || other.durableSizeBytes < position + SECTOR_BYTES) continue
      return target.set(other.durable(position, position + SECTOR_BYTES))
    }
    const written = Math.min(Math.floor(file.durableSizeBytes / SECTOR_BYTES), ...file.unwritten)
    const from = (written === 0 ? 0 : sector % written) * SECTOR_BYTES
    target.set(file.durable(from, from + Math.min(SECTOR_BYTES, file.durableSizeBytes)))
  }
}

/** What the rest of a torn sector may hold. */
const NOISE = new Random(0).bytes(SECTOR_BYTES)

interface Tear extends TornSector {
  /** The version before, if it is not the durable one. */
  readonly before: Uint8Array | undefined
}

function tear(target: Uint8Array, version: Uint8Array, { before, bytes, garbage }: Tear): void {
  if (before) target.set(before)
  target.set(version.subarray(0, bytes))
  if (!garbage) return
  for (let i = bytes; i < version.length; i++) {
    if (target[i] !== version[i]) target[i] = NOISE[i] ?? 0
  }
}
