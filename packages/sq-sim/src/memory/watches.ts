/** The watches on directories of an in-memory file system, and their notifications. */
import type { Watch } from '../file-system.ts'
import type { DirectoryState, FileState } from './durable-state.ts'

export class Watches {
  readonly #all = new Set<DirectoryWatch>()

  get size(): number {
    return this.#all.size
  }

  /** A watch stays with its directory, wherever that is moved. `way`: the names that lead to it. */
  add(directory: DirectoryState, way: readonly NameOnTheWay[], onChange: () => void): Watch {
    const watch = new DirectoryWatch(directory, way, onChange)
    this.#all.add(watch)
    return {
      close: () => {
        watch.open = false
        this.#all.delete(watch)
      },
    }
  }

  /** The visible names in a directory have changed, or the directory was renamed or removed. */
  directoryChanged(directory: DirectoryState): void {
    for (const watch of this.#all) if (watch.directory === directory) watch.call()
  }

  /** A name leads to a different file or to none. */
  nameChanged(changed: NameOnTheWay): void {
    for (const watch of this.#all) if (watch.isOnTheWay(changed)) watch.call()
  }

  /** Processes see other bytes of a file, or another size. */
  fileChanged(file: FileState): void {
    if (this.#all.size === 0 || file.names.length === 0) return
    for (const { directory } of file.names) this.directoryChanged(directory)
  }

  /** Removes all watches. */
  clear(): void {
    for (const watch of this.#all) watch.open = false
    this.#all.clear()
  }
}

/** A name on the path to a watched directory. */
export interface NameOnTheWay {
  readonly directory: DirectoryState
  readonly name: string
}

class DirectoryWatch {
  readonly directory: DirectoryState
  readonly #way: readonly NameOnTheWay[]
  open = true
  readonly #onChange: () => void
  #called = false

  constructor(directory: DirectoryState, way: readonly NameOnTheWay[], onChange: () => void) {
    this.directory = directory
    this.#way = way
    this.#onChange = onChange
  }

  isOnTheWay({ directory, name }: NameOnTheWay): boolean {
    return this.#way.some((step) => step.directory === directory && step.name === name)
  }

  /** Calls back once for all changes before the callback runs. */
  call(): void {
    if (this.#called) return
    this.#called = true
    queueMicrotask(() => {
      this.#called = false
      if (this.open) this.#onChange()
    })
  }
}
