/**
 * The state of the disk, separate from what processes see. A file remembers its durable bytes and, for each sector, its
 * versions since then; a directory remembers its durable names and the changes since. `crash.ts` computes from this
 * what a power cut may leave.
 */

export const SECTOR_BYTES = 512
export const PAGE_BYTES = 4096
const SECTORS_PER_PAGE = PAGE_BYTES / SECTOR_BYTES

export type Inode = FileState | DirectoryState

/** Reads what processes see, from a position on, into a buffer of zeros. The file may end before the buffer is full. */
export type ReadVisible = (buffer: Uint8Array, position: number) => void

export class FileState {
  readonly kind = 'file'
  readonly id: number
  /** Its path as processes see it, or saw it last; if it has several names, one of them. */
  path: string
  /** The names that processes see for it. */
  names: FileName[] = []
  sizeBytes: number
  durableSizeBytes: number
  /** By sector: the versions since the durable one, oldest first, each a complete sector. Never changed in place. */
  readonly versions: Map<number, Uint8Array[]> = new Map()
  /** Pages that a failed sync marked clean: processes see their bytes, but no later sync writes them. */
  readonly lostPages: Set<number> = new Set()
  /** Sectors within the durable size of which no byte ever reached the disk. */
  readonly unwritten: Set<number> = new Set()
  /** By sector: what was durable there before the last truncation, a complete sector. Zeros are left out. */
  readonly freed: Map<number, Uint8Array> = new Map()
  /** The number of failed syncs, and the error of the last one: each handle reports each failure once. */
  failures = 0
  failureCode = 'EIO'
  /** Zeros after the sector in which `durableSizeBytes` lies. */
  #durable: Uint8Array
  /** The sizes since the durable one, except those that a later durable write has ruled out. */
  #sizes: number[] = []

  constructor(id: number, path: string, durable: Uint8Array = new Uint8Array(0)) {
    this.id = id
    this.path = path
    this.#durable = durable
    this.sizeBytes = durable.byteLength
    this.durableSizeBytes = durable.byteLength
  }

  /**
   * The sizes that a power cut may leave: first the durable one, and last the one that processes see, if there is a
   * choice.
   */
  possibleSizes(): number[] {
    const between = new Set(this.#sizes)
    between.delete(this.durableSizeBytes)
    between.delete(this.sizeBytes)
    if (between.size === 0 && this.sizeBytes === this.durableSizeBytes) return [this.durableSizeBytes]
    return [this.durableSizeBytes, ...between, this.sizeBytes]
  }

  /**
   * The bytes of the disk between two positions; after the durable size only to the end of the sector. May be shorter.
   */
  durable(position: number, end: number): Uint8Array {
    return this.#durable.subarray(position, end)
  }

  /** The bytes that processes see between two positions have changed, and perhaps the size. */
  changed(start: number, end: number, size: number, read: ReadVisible): void {
    let first = Math.floor(start / SECTOR_BYTES)
    let last = Math.ceil(end / SECTOR_BYTES)
    // A page is written as a whole: a change to a page that a failed sync dropped makes all of it dirty again.
    for (const page of this.lostPages) {
      if (page * PAGE_BYTES >= end || (page + 1) * PAGE_BYTES <= start) continue
      this.lostPages.delete(page)
      first = Math.min(first, page * SECTORS_PER_PAGE)
      last = Math.max(last, Math.min((page + 1) * SECTORS_PER_PAGE, Math.ceil(size / SECTOR_BYTES)))
    }
    if (last > first) {
      const bytes = new Uint8Array((last - first) * SECTOR_BYTES)
      read(bytes, first * SECTOR_BYTES)
      for (let sector = first; sector < last; sector++) {
        const from = (sector - first) * SECTOR_BYTES
        const version = bytes.subarray(from, from + SECTOR_BYTES)
        const versions = this.versions.get(sector)
        if (versions) versions.push(version)
        else this.versions.set(sector, [version])
      }
    }
    if (size < this.sizeBytes) this.#free(Math.ceil(size / SECTOR_BYTES))
    if (size !== this.sizeBytes) this.#sizes.push(size)
    this.sizeBytes = size
  }

  /** Makes everything durable. */
  sync(): void {
    this.#commitSectors(0, Infinity)
    this.#commitSize(this.sizeBytes)
    this.#sizes = []
  }

  /** Makes the bytes between two positions durable, and as much of the size as reading them needs. */
  syncRange(start: number, end: number): void {
    this.#commitSectors(Math.floor(start / SECTOR_BYTES), Math.ceil(end / SECTOR_BYTES))
    this.#sizes = this.#sizes.filter((size) => size > end)
    if (this.durableSizeBytes < end) this.#commitSize(end)
  }

  /** The pages that a sync would write, in ascending order. Truncated pages are not among them. */
  dirtyPages(): number[] {
    const pages = new Set<number>()
    for (const sector of this.versions.keys()) {
      if (sector * SECTOR_BYTES < this.sizeBytes) pages.add(Math.floor(sector / SECTORS_PER_PAGE))
    }
    return [...pages].toSorted((a, b) => a - b)
  }

  /** Marks a page clean although its bytes have not reached the disk. */
  losePage(page: number): void {
    this.lostPages.add(page)
    for (let i = 0; i < SECTORS_PER_PAGE; i++) this.versions.delete(page * SECTORS_PER_PAGE + i)
  }

  addName({ directory, name }: FileName): void {
    if (this.names.length === 0) this.path = directory.pathOf(name)
    this.names.push({ directory, name })
  }

  removeName({ directory, name }: FileName): void {
    this.names = this.names.filter((other) => other.directory !== directory || other.name !== name)
    const [left] = this.names
    if (left && this.path === directory.pathOf(name)) this.path = left.directory.pathOf(left.name)
  }

  /** Forgets everything that is not durable. After this, processes must be shown the durable bytes. */
  revert(): void {
    this.versions.clear()
    this.#sizes = []
    this.sizeBytes = this.durableSizeBytes
  }

  /** A copy that shares no mutable state, and has no names. */
  clone(): FileState {
    const copy = new FileState(this.id, this.path, this.#durable.slice())
    copy.sizeBytes = this.sizeBytes
    copy.durableSizeBytes = this.durableSizeBytes
    for (const [sector, versions] of this.versions) copy.versions.set(sector, [...versions])
    copy.#sizes = [...this.#sizes]
    for (const page of this.lostPages) copy.lostPages.add(page)
    for (const sector of this.unwritten) copy.unwritten.add(sector)
    for (const [sector, bytes] of this.freed) copy.freed.set(sector, bytes)
    return copy
  }

  #commitSectors(first: number, last: number): void {
    for (const [sector, versions] of this.versions) {
      if (sector < first || sector >= last) continue
      const newest = versions.at(-1)
      const end = (sector + 1) * SECTOR_BYTES
      if (end > this.#durable.byteLength) this.#grow(end)
      if (newest) this.#durable.set(newest, sector * SECTOR_BYTES)
      this.versions.delete(sector)
      this.unwritten.delete(sector)
    }
  }

  #commitSize(size: number): void {
    const firstNew = Math.ceil(this.durableSizeBytes / SECTOR_BYTES)
    for (let sector = firstNew; sector * SECTOR_BYTES < size; sector++) {
      const lost = this.lostPages.has(Math.floor(sector / SECTORS_PER_PAGE))
      if (lost || this.versions.has(sector)) this.unwritten.add(sector)
    }
    if (size < this.durableSizeBytes) this.#durable.fill(0, size, this.durableSizeBytes + SECTOR_BYTES)
    if (size > this.#durable.byteLength) this.#grow(size)
    this.durableSizeBytes = size
  }

  /** Remembers the durable sectors from one on, for `freed`. */
  #free(first: number): void {
    for (let sector = first; sector * SECTOR_BYTES < this.durableSizeBytes; sector++) {
      const bytes = this.#durable.slice(sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES)
      if (bytes.some((byte) => byte !== 0)) this.freed.set(sector, bytes)
    }
  }

  #grow(needed: number): void {
    const larger = new Uint8Array(Math.max(needed, 2 * this.#durable.byteLength))
    larger.set(this.#durable)
    this.#durable = larger
  }
}

/** A name of a file. */
export interface FileName {
  readonly directory: DirectoryState
  readonly name: string
}

/** A changed name in a directory, and the file or directory that it now names; null if it was removed. */
export interface NameEdit extends FileName {
  readonly inode: Inode | null
}

/** Edits of which a power cut leaves all or none. */
export interface NameChange {
  readonly order: number
  readonly edits: readonly NameEdit[]
}

export class DirectoryState {
  readonly kind = 'directory'
  readonly id: number
  /** Its path as processes see it, or saw it last. */
  path: string
  /** The names that processes see. */
  readonly names: Map<string, Inode> = new Map()
  readonly durableNames: Map<string, Inode> = new Map()
  /** The changes since the last sync, in order. */
  pending: NameChange[] = []

  constructor(id: number, path: string) {
    this.id = id
    this.path = path
  }

  /** The path of a name in this directory. */
  pathOf(name: string): string {
    return this.path === '/' ? `/${name}` : `${this.path}/${name}`
  }

  /**
   * Makes all changes up to the given one durable, by default all. A change that concerns two directories becomes
   * durable in both.
   */
  sync(upTo: number = Infinity): void {
    for (let change = this.pending[0]; change && change.order <= upTo; change = this.pending[0]) {
      this.pending.shift()
      for (const { directory, name, inode } of change.edits) {
        if (directory !== this) {
          directory.sync(change.order)
          continue
        }
        const before = this.durableNames.get(name)
        if (inode) this.durableNames.set(name, inode)
        else this.durableNames.delete(name)
        // A removed directory was empty: what was removed and moved from it before is durable with its removal.
        if (before?.kind === 'directory' && change.edits.every((edit) => edit.inode !== before))
          before.sync(change.order)
      }
    }
  }
}

/** Processes now see a file or directory at this path, and its contents below. */
function moveTo(inode: Inode, path: string): void {
  if (inode.path === path) return
  inode.path = path
  if (inode.kind === 'file') return
  for (const [name, child] of inode.names) moveTo(child, inode.pathOf(name))
}

/** The tree of directories and files, and the counters of inodes and changes. */
export class DiskState {
  readonly root: DirectoryState = new DirectoryState(0, '/')
  #lastId = 0
  #lastOrder = 0

  makeFile(path: string, durable?: Uint8Array): FileState {
    return new FileState(++this.#lastId, path, durable)
  }

  makeDirectory(path: string): DirectoryState {
    return new DirectoryState(++this.#lastId, path)
  }

  /** Changes names: immediately for processes, pending for the disk. */
  change(edits: readonly NameEdit[]): void {
    const change = { order: ++this.#lastOrder, edits }
    for (const directory of new Set(edits.map((edit) => edit.directory))) directory.pending.push(change)
    for (const { directory, name, inode } of edits) {
      const before = directory.names.get(name)
      if (before?.kind === 'file') before.removeName({ directory, name })
      if (inode?.kind === 'file') inode.addName({ directory, name })
      else if (inode) moveTo(inode, directory.pathOf(name))
      if (inode) directory.names.set(name, inode)
      else directory.names.delete(name)
    }
  }

  /** Adds a name that is durable from the start. */
  adopt(directory: DirectoryState, name: string, inode: Inode): void {
    if (inode.kind === 'file') inode.addName({ directory, name })
    directory.names.set(name, inode)
    directory.durableNames.set(name, inode)
  }

  /** Every directory and file that a durable name, a visible name or a pending change leads to, parents first. */
  inodes(): Set<Inode> {
    const found = new Set<Inode>([this.root])
    for (const inode of found) {
      if (inode.kind === 'file') continue
      for (const child of inode.durableNames.values()) found.add(child)
      for (const child of inode.names.values()) found.add(child)
      for (const { edits } of inode.pending) for (const edit of edits) if (edit.inode) found.add(edit.inode)
    }
    return found
  }

  /** A copy that shares no mutable state. */
  clone(): DiskState {
    const copy = new DiskState()
    copy.#lastId = this.#lastId
    copy.#lastOrder = this.#lastOrder
    const copies = new Map<Inode, Inode>([[this.root, copy.root]])
    for (const inode of this.inodes()) {
      if (!copies.has(inode)) {
        copies.set(inode, inode.kind === 'file' ? inode.clone() : new DirectoryState(inode.id, inode.path))
      }
    }
    const changes = new Map<NameChange, NameChange>()
    for (const [from, to] of copies) {
      if (from.kind === 'file' || to.kind === 'file') continue
      for (const [name, inode] of from.names) {
        const child = copies.get(inode) ?? inode
        to.names.set(name, child)
        if (child.kind === 'file') child.addName({ directory: to, name })
      }
      for (const [name, inode] of from.durableNames) to.durableNames.set(name, copies.get(inode) ?? inode)
      to.pending = from.pending.map((change) => copyOf(change))
    }
    return copy

    function copyOf(change: NameChange): NameChange {
      const known = changes.get(change)
      if (known) return known
      const edits = change.edits.map(({ directory, name, inode }) => {
        const there = copies.get(directory)
        return {
          directory: there?.kind === 'directory' ? there : directory,
          name,
          inode: inode && (copies.get(inode) ?? inode),
        }
      })
      const made = { order: change.order, edits }
      changes.set(change, made)
      return made
    }
  }
}
