/** Who watches which directory of an in-memory file system, and is told of changes there. */
import { posix } from 'node:path'
import type { Watch } from '../file-system.ts'
import type { FileState } from './durable-state.ts'

export class Watches {
  readonly #all = new Set<DirectoryWatch>()

  get size(): number {
    return this.#all.size
  }

  /** `directory`: its path, which it keeps: directories are neither renamed nor removed. */
  add(directory: string, onChange: () => void): Watch {
    const watch = new DirectoryWatch(directory, onChange)
    this.#all.add(watch)
    return {
      close: () => {
        watch.open = false
        this.#all.delete(watch)
      },
    }
  }

  /** Processes see other names in a directory. */
  namesChanged(directory: string): void {
    for (const watch of this.#all) if (watch.directory === directory) watch.call()
  }

  /** Processes see other bytes of a file, or another size. */
  fileChanged(file: FileState): void {
    if (this.#all.size > 0 && file.links > 0) this.namesChanged(posix.dirname(file.path))
  }

  /** Those who watched are no more. */
  clear(): void {
    for (const watch of this.#all) watch.open = false
    this.#all.clear()
  }
}

class DirectoryWatch {
  readonly directory: string
  open = true
  readonly #onChange: () => void
  #called = false

  constructor(directory: string, onChange: () => void) {
    this.directory = directory
    this.#onChange = onChange
  }

  /** Calls back once for all that changes before it does. */
  call(): void {
    if (this.#called) return
    this.#called = true
    queueMicrotask(() => {
      this.#called = false
      if (this.open) this.#onChange()
    })
  }
}
