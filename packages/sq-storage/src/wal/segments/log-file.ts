/** A file of a log that knows its path, so that an error names the operation and the file. */
import type { FileHandle, FileSystem, OpenMode, OpenOptions } from '@sq/sim'
import { fieldOf, isError, systemCode, WalIoError } from '../../errors.ts'

/** Every method but `close` rejects with `WalIoError` if the file system refuses. */
export class LogFile implements FileHandle {
  /** The current path; it changes when the file is renamed. */
  path: string
  readonly #handle: FileHandle

  private constructor(path: string, handle: FileHandle) {
    this.path = path
    this.#handle = handle
  }

  static async open(fs: FileSystem, path: string, mode: OpenMode, options?: OpenOptions): Promise<LogFile> {
    const attempt = mode === 'create' ? 'create' : 'open'
    return new LogFile(path, await io(attempt, path, () => fs.open(path, mode, options)))
  }

  read(buffer: Uint8Array, position: number): Promise<number> {
    return this.#io('read', () => this.#handle.read(buffer, position))
  }

  write(buffers: readonly Uint8Array[], position: number): Promise<void> {
    return this.#io('write', () => this.#handle.write(buffers, position))
  }

  writeDurable(buffers: readonly Uint8Array[], position: number): Promise<void> {
    return this.#io('write', () => this.#handle.writeDurable(buffers, position))
  }

  sync(): Promise<void> {
    return this.#io('sync', () => this.#handle.sync())
  }

  truncate(sizeBytes: number): Promise<void> {
    return this.#io('truncate', () => this.#handle.truncate(sizeBytes))
  }

  size(): Promise<number> {
    return this.#io('read the size of', () => this.#handle.size())
  }

  identity(): Promise<string> {
    return this.#io('look at', () => this.#handle.identity())
  }

  /**
   * Closes the descriptor. Never rejects: the file was only read, what was written is durable, or the failure has been
   * reported. An error of the close would change nothing and hide the result.
   */
  async close(): Promise<void> {
    await this.#handle.close().catch(() => {})
  }

  #io<T>(attempt: string, action: () => Promise<T>): Promise<T> {
    return io(attempt, this.path, action)
  }
}

/** Runs a file system operation. If it fails, the error names the operation and the path. */
export async function io<T>(attempt: string, path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action()
  } catch (error) {
    throw isSystemError(error) ? new WalIoError(attempt, path, error) : error
  }
}

/**
 * An error without a code or number of the system is not a failure of the file system, but a bug here or in the caller.
 * `ERR_ACCESS_DENIED` is a refusal by the permission model of Node.
 */
function isSystemError(error: unknown): boolean {
  const hasNumber = isError(error) && typeof fieldOf(error, 'errno') === 'number'
  return hasNumber || /^(E[A-Z0-9]+|ERR_ACCESS_DENIED)$/.test(systemCode(error) ?? '')
}
