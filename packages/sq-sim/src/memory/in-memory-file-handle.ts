/** An open file of an `InMemoryFileSystem`. */
import type { FileHandle } from '../file-system.ts'
import { Gate } from '../gate.ts'
import { checkPosition } from '../system-error.ts'
import { isTransient, WriteProgress } from '../write-progress.ts'
import type { FileState, ReadVisible } from './durable-state.ts'
import type { Fault } from './faults.ts'
import type { Machine } from './machine.ts'
import type { Operation, Target } from './operations.ts'

const MAX_READ_ATTEMPTS = 16

export class InMemoryFileHandle implements FileHandle {
  readonly #machine: Machine
  readonly #file: FileState
  readonly #writing: boolean
  readonly #life: number
  readonly #gate = new Gate()
  readonly #readVisible: ReadVisible
  /** The failed syncs of the file that this handle has reported or that were before it was opened. */
  #failuresSeen: number

  constructor(machine: Machine, { file, writing }: { readonly file: FileState; readonly writing: boolean }) {
    this.#machine = machine
    this.#file = file
    this.#writing = writing
    this.#life = machine.life
    this.#failuresSeen = file.failures
    this.#readVisible = (buffer, position) => machine.visible.read(file, buffer, position)
    machine.visible.open(file, file.path)
    machine.openHandles++
  }

  read(buffer: Uint8Array, position: number): Promise<number> {
    return this.#use('read', async () => {
      checkPosition(position, 'position')
      // Observers get the bytes that were read, and not the rest of the buffer.
      const target: Target & { buffers: Uint8Array[] } = { path: this.#file.path, position, buffers: [] }
      for (let attempts = 1; ; attempts++) {
        try {
          return await this.#machine.run('read', target, (fault) => {
            const bytes = this.#machine.visible.read(this.#file, buffer, position)
            if (fault && 'flipBit' in fault && bytes > 0) flipBit(buffer, fault.flipBit % (8 * bytes))
            target.buffers = [buffer.subarray(0, bytes)]
            return bytes
          })
        } catch (error) {
          if (!isTransient(error) || attempts === MAX_READ_ATTEMPTS) throw error
        }
      }
    })
  }

  write(buffers: readonly Uint8Array[], position: number): Promise<void> {
    return this.#useForWriting('write', () => this.#write(buffers, position))
  }

  sync(): Promise<void> {
    return this.#use('sync', () => this.#sync(() => this.#file.sync()))
  }

  writeDurable(buffers: readonly Uint8Array[], position: number): Promise<void> {
    return this.#useForWriting('write', async () => {
      await this.#write(buffers, position)
      const end = buffers.reduce((sum, buffer) => sum + buffer.byteLength, position)
      if (end > position) await this.#sync(() => this.#file.syncRange(position, end))
    })
  }

  truncate(sizeBytes: number): Promise<void> {
    return this.#useForWriting('truncate', async () => {
      checkPosition(sizeBytes, 'sizeBytes')
      await this.#machine.run('truncate', { path: this.#file.path, position: sizeBytes }, () => {
        const before = this.#file.sizeBytes
        this.#machine.visible.truncate(this.#file, sizeBytes)
        this.#file.changed(sizeBytes, Math.max(before, sizeBytes), sizeBytes, this.#readVisible)
        this.#machine.watches.fileChanged(this.#file)
      })
    })
  }

  size(): Promise<number> {
    return this.#use('size', () => this.#machine.run('size', { path: this.#file.path }, () => this.#file.sizeBytes))
  }

  identity(): Promise<string> {
    const { path } = this.#file
    return this.#use('stat', () => this.#machine.run('stat', { path }, () => this.#machine.identityOf(this.#file)))
  }

  async close(): Promise<void> {
    if (!(await this.#gate.close())) return
    if (this.#life !== this.#machine.life) throw this.#machine.error('EBADF', 'close', { path: this.#file.path })
    // The descriptor is closed even if closing reports a failure.
    const giveUp = (): void => {
      this.#machine.visible.close(this.#file)
      this.#machine.openHandles--
    }
    await this.#machine.run('close', { path: this.#file.path }, giveUp, giveUp)
  }

  async #write(buffers: readonly Uint8Array[], position: number): Promise<void> {
    checkPosition(position, 'position')
    const progress = new WriteProgress(buffers, position, this.#file.path)
    while (!progress.done) {
      const piece = progress.next()
      const at = progress.position
      const target: Target = { path: this.#file.path, position: at, buffers: piece }
      const put = (fault: Fault | undefined): number =>
        this.#put(piece, at, fault && 'shortBytes' in fault ? fault.shortBytes : Infinity)
      try {
        progress.wrote(
          await this.#machine.run('write', target, put, (fault) => this.#put(piece, at, fault.afterBytes ?? 0)),
        )
      } catch (error) {
        progress.failed(error)
      }
    }
  }

  /** Writes what fits into a limit, and returns how much. */
  #put(buffers: readonly Uint8Array[], position: number, limitBytes: number): number {
    let end = position
    for (const buffer of buffers) {
      const part = buffer.subarray(0, limitBytes - (end - position))
      if (part.byteLength > 0) this.#machine.visible.write(this.#file, part, end)
      end += part.byteLength
      if (part.byteLength < buffer.byteLength) break
    }
    if (end > position) {
      this.#file.changed(position, end, Math.max(end, this.#file.sizeBytes), this.#readVisible)
      this.#machine.watches.fileChanged(this.#file)
    }
    return end - position
  }

  async #sync(makeDurable: () => void): Promise<void> {
    const target: Target = { path: this.#file.path }
    await this.#machine.run(
      'sync',
      target,
      () => {
        if (!this.#machine.lyingDrive) makeDurable()
        if (this.#failuresSeen === this.#file.failures) return
        this.#failuresSeen = this.#file.failures
        throw this.#machine.error(this.#file.failureCode, 'sync', target)
      },
      (fault) => {
        this.#machine.failSync(this.#file, fault)
        this.#failuresSeen = this.#file.failures
      },
    )
  }

  async #use<T>(operation: Operation, call: () => Promise<T>): Promise<T> {
    if (this.#life !== this.#machine.life || !this.#gate.enter()) {
      throw this.#machine.error('EBADF', operation, { path: this.#file.path })
    }
    try {
      return await call()
    } finally {
      this.#gate.leave()
    }
  }

  async #useForWriting(operation: Operation, call: () => Promise<void>): Promise<void> {
    if (!this.#writing) throw this.#machine.error('EBADF', operation, { path: this.#file.path })
    return this.#use(operation, call)
  }
}

function flipBit(buffer: Uint8Array, bit: number): void {
  const index = Math.floor(bit / 8)
  buffer[index] = (buffer[index] ?? 0) ^ (1 << (bit % 8))
}
