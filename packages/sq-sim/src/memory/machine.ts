/**
 * A running machine: its visible files, its disk, and the way of each operation: it is counted, perhaps failed or
 * delayed by a fault, and then carried out unless a crash or a kill came in between.
 */
import { posix } from 'node:path'
import { Random } from '../random.ts'
import { systemError } from '../system-error.ts'
import type { CrashImage } from './crash.ts'
import type { DirectoryState, FileState, Inode, NameEdit } from './durable-state.ts'
import { DiskState, PAGE_BYTES } from './durable-state.ts'
import type { ErrorFault, Fault } from './faults.ts'
import { Faults } from './faults.ts'
import type { Operation, Target } from './operations.ts'
import { Operations } from './operations.ts'
import { VisibleFiles } from './visible-files.ts'
import { Watches } from './watches.ts'
import type { NameOnTheWay } from './watches.ts'

/**
 * The effects of a failed sync (Rebello et al., "Can Applications Recover from fsync Failures?", ATC 2020).
 *
 * - `ext4`, `xfs`: the dirty pages are marked clean. Some never reached the disk: reads still show their new bytes, no
 *   later sync writes them, and eviction from the page cache brings the old ones back. The new size is kept.
 * - `btrfs`: the bytes and the size of the file go back to the durable ones.
 * - `readonly`: the file system becomes read-only; every later change, and every sync, fails with `EROFS`.
 */
export type FailedSyncModel = 'ext4' | 'xfs' | 'btrfs' | 'readonly'

const SYSCALLS: Readonly<Record<Operation, string>> = {
  open: 'open',
  create: 'open',
  read: 'read',
  write: 'write',
  sync: 'fsync',
  truncate: 'ftruncate',
  size: 'fstat',
  close: 'close',
  mkdir: 'mkdir',
  readdir: 'scandir',
  stat: 'stat',
  unlink: 'unlink',
  rmdir: 'rmdir',
  link: 'link',
  space: 'statfs',
  rename: 'rename',
  syncDirectory: 'fsync',
  lock: 'open',
  watch: 'watch',
}

const CHANGING: ReadonlySet<Operation> = new Set<Operation>([
  'create',
  'write',
  'sync',
  'truncate',
  'mkdir',
  'unlink',
  'rmdir',
  'link',
  'rename',
  'syncDirectory',
])

/** Where a path leads: the directory that holds the name, and what the name leads to, if it exists. */
export interface Place {
  readonly path: string
  readonly directory: DirectoryState
  readonly name: string
  readonly inode: Inode | undefined
}

let machines = 0

export class Machine {
  readonly #number = ++machines
  readonly faults: Faults = new Faults()
  readonly operations: Operations = new Operations()
  readonly visible: VisibleFiles = new VisibleFiles()
  readonly failedSync: FailedSyncModel
  readonly lyingDrive: boolean
  readOnly = false
  disk: DiskState = new DiskState()
  /** The locked files. */
  readonly locks: Set<FileState> = new Set()
  readonly watches: Watches = new Watches()
  openHandles = 0
  /** Incremented by every crash and kill: operations that began before belong to a process that is dead. */
  life = 0

  constructor(failedSync: FailedSyncModel, lyingDrive: boolean) {
    this.failedSync = failedSync
    this.lyingDrive = lyingDrive
  }

  /**
   * Carries out an operation. `body` runs without interruption, after any delay. `onError` runs if a fault makes the
   * operation fail, for the side effects of that failure.
   */
  async run<T>(
    operation: Operation,
    target: Target,
    body: (fault: Fault | undefined) => T,
    onError?: (fault: ErrorFault) => void,
  ): Promise<T> {
    const { life } = this
    this.operations.started(operation, target)
    let result: T
    try {
      let fault = this.faults.meet(operation, target)
      if (fault instanceof Promise) fault = await fault
      if (life !== this.life) throw this.error('EBADF', operation, target)
      if (this.readOnly && CHANGING.has(operation)) throw this.error('EROFS', operation, target)
      if (fault && 'error' in fault) {
        onError?.(fault)
        throw this.error(fault.error, operation, target)
      }
      result = body(fault)
    } catch (error) {
      this.operations.ended(operation, target, error)
      throw error
    }
    this.operations.ended(operation, target)
    return result
  }

  /**
   * Identifies a file or directory among all others, including those of another machine or of this one after a restart.
   */
  identityOf({ id }: Inode): string {
    return `memory:${this.#number}:${this.life}:${id}`
  }

  error(code: string, operation: Operation, { path, to }: Target): Error {
    return systemError(code, { syscall: SYSCALLS[operation], path, ...(to !== undefined && { dest: to }) })
  }

  /** Resolves an absolute path. Throws `ENOENT` or `ENOTDIR` if the directory of the name does not exist. */
  locate(path: string, operation: Operation): Place {
    if (path.includes('\0')) throw new TypeError(`a path must not contain NUL: ${JSON.stringify(path)}`)
    let directory = this.disk.root
    if (path === '/') return { path, directory, name: '', inode: directory }
    const names = path.split('/')
    for (let i = 1; i < names.length - 1; i++) {
      const next = directory.names.get(names[i] ?? '')
      if (!next) throw this.error('ENOENT', operation, { path })
      if (next.kind === 'file') throw this.error('ENOTDIR', operation, { path })
      directory = next
    }
    const name = names.at(-1) ?? ''
    if (Buffer.byteLength(name) > 255) throw this.error('ENAMETOOLONG', operation, { path })
    return { path, directory, name, inode: directory.names.get(name) }
  }

  /** The names on the path to an existing file or directory. */
  wayTo(path: string): readonly NameOnTheWay[] {
    const way: NameOnTheWay[] = []
    for (let at = path; at !== '/'; at = posix.dirname(at)) way.push(this.locate(at, 'watch'))
    return way
  }

  /** Changes names. Processes see the new names at once; a power cut can still undo the changes. */
  changeNames(edits: readonly NameEdit[]): void {
    const changed = edits.flatMap(({ directory, name, inode }) => [directory, directory.names.get(name), inode])
    this.disk.change(edits)
    for (const inode of new Set(changed)) if (inode?.kind === 'directory') this.watches.directoryChanged(inode)
    for (const edit of edits) this.watches.nameChanged(edit)
  }

  /** Applies the failed-sync model of this file system to a file. */
  failSync(file: FileState, { error, lostPages }: ErrorFault): void {
    file.failures++
    file.failureCode = error
    if (this.failedSync === 'readonly') {
      this.readOnly = true
    } else if (this.failedSync === 'btrfs') {
      file.revert()
      this.visible.truncate(file, 0)
      this.visible.write(file, file.durable(0, file.durableSizeBytes), 0)
      this.watches.fileChanged(file)
    } else {
      for (const page of file.dirtyPages()) {
        const lost = lostPages instanceof Random ? lostPages.chance(0.5) : (lostPages?.includes(page) ?? true)
        if (lost) file.losePage(page)
      }
    }
  }

  /** Drops the clean pages from memory: pages that a failed sync lost show the bytes of the disk again. */
  evict(): void {
    for (const file of this.disk.inodes()) {
      if (file.kind !== 'file' || file.names.length === 0 || file.lostPages.size === 0) continue
      this.visible.open(file, file.path)
      for (const page of file.lostPages) {
        const end = Math.min((page + 1) * PAGE_BYTES, file.sizeBytes)
        const bytes = new Uint8Array(Math.max(0, end - page * PAGE_BYTES))
        bytes.set(file.durable(page * PAGE_BYTES, end))
        this.visible.write(file, bytes, page * PAGE_BYTES)
      }
      file.lostPages.clear()
      this.visible.close(file)
      this.watches.fileChanged(file)
    }
  }

  /** The process dies, and its handles, locks and watches with it. What processes see stays. */
  kill(): void {
    this.life++
    this.openHandles = 0
    this.locks.clear()
    this.watches.clear()
    this.visible.closeAll()
    this.faults.abandon()
  }

  /** Starts from a disk. All of it is durable. */
  boot(image: CrashImage): void {
    this.visible.clear()
    this.disk = new DiskState()
    this.readOnly = false
    const directories = new Map<string, DirectoryState>([['/', this.disk.root]])
    for (const [path, bytes] of image.entries) {
      const parent = directories.get(posix.dirname(path))
      if (!parent) throw new Error(`the image has '${path}' but not its directory`)
      const adopt = (inode: Inode): void => this.disk.adopt(parent, posix.basename(path), inode)
      const linked = image.links.get(path)
      if (linked !== undefined) {
        adopt(this.#fileAt(linked))
        this.visible.link(linked, path)
      } else if (bytes) {
        adopt(this.disk.makeFile(path, new Uint8Array(bytes)))
        this.visible.makeFile(path, bytes)
      } else {
        const directory = this.disk.makeDirectory(path)
        directories.set(path, directory)
        adopt(directory)
        this.visible.makeDirectory(path)
      }
    }
  }

  /** Copies another machine: the same files, visible and durable, without its handles, locks and faults. */
  copy(other: Machine): void {
    this.disk = other.disk.clone()
    this.readOnly = other.readOnly
    this.#showDirectory(this.disk.root, other, new Map())
  }

  /** `shown`: the files that have a name already, and that name. */
  #showDirectory(directory: DirectoryState, other: Machine, shown: Map<FileState, string>): void {
    for (const [name, inode] of directory.names) {
      const path = directory.pathOf(name)
      if (inode.kind === 'directory') {
        this.visible.makeDirectory(path)
        this.#showDirectory(inode, other, shown)
        continue
      }
      const known = shown.get(inode)
      if (known === undefined) this.visible.makeFile(path, other.visible.bytes(path))
      else this.visible.link(known, path)
      shown.set(inode, path)
    }
  }

  #fileAt(path: string): FileState {
    const { inode } = this.locate(path, 'link')
    if (inode?.kind !== 'file') throw new Error(`the image has a hard link to '${path}', which is not a file in it`)
    return inode
  }
}
