/** A consumer on a simulated machine: it follows the log in both places, and goes on where it was after an error. */
import { OffsetOutOfRangeError, WalError } from '@sq/storage'
import { expect } from 'vitest'
import { ObjectStoreFileSystem, TieredReader } from '../../index.ts'
import type { Machine } from './machine.ts'
import { config } from './world.ts'

/** What the faults of a store may lead to. */
const OF_THE_STORE: readonly string[] = ['SQ_WAL_IO', 'SQ_WAL_CORRUPT']

const PAUSE_MS = 1000

export class Follower {
  readonly #machine: Machine
  readonly #running: Promise<void>
  #reader: TieredReader | null = null
  #isClosed = false
  /** The offset after the last record that was read. */
  #next: bigint
  /** Resolves the promise of `reach`. */
  #onRead: () => void = () => {}
  /** Ends the pause after an error. */
  #goOn: () => void = () => {}

  constructor(machine: Machine, from: bigint) {
    this.#machine = machine
    this.#next = from
    this.#running = this.#run()
    this.#running.catch(() => {})
  }

  /** Resolves once everything before an offset was read. Rejects if what was read is wrong. */
  async reach(offset: bigint): Promise<void> {
    while (this.#next < offset) {
      const read = new Promise<void>((resolve) => (this.#onRead = resolve))
      await Promise.race([read, this.#running])
    }
  }

  /** Rejects if what was read is wrong. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#goOn()
    await this.#reader?.close()
    await this.#running
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      try {
        await this.#follow()
      } catch (error) {
        this.#check(error)
      }
      await this.#reader?.close()
      if (!this.#isClosed) await this.#pause()
    }
  }

  async #pause(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#goOn = resolve
      this.#machine.clock.setTimer(PAUSE_MS, resolve)
    })
  }

  async #follow(): Promise<void> {
    const { fs, clock, world } = this.#machine
    // Also forgets the wrong bytes that it may have in memory.
    const archive = new ObjectStoreFileSystem(world.store, { clock })
    this.#reader = await TieredReader.open(fs, config, 'orders', 0, { archive, clock })
    if (this.#isClosed) return
    for await (const { offset, value } of this.#reader.read({ from: this.#next, follow: true })) {
      expect(offset).toBe(this.#next)
      expect(this.#machine.expected(offset) ?? String(value), `offset ${offset}`).toBe(String(value))
      this.#next = offset + 1n
      this.#onRead()
    }
    throw new Error('the iteration that follows has ended')
  }

  #check(error: unknown): void {
    if (this.#isClosed) return
    if (error instanceof OffsetOutOfRangeError && this.#next < error.firstOffset) {
      expect(error.firstOffset, 'skipped records').toBeLessThanOrEqual(this.#machine.world.deletedTo)
      this.#next = error.firstOffset
      this.#onRead()
    } else if (!(error instanceof WalError && OF_THE_STORE.includes(error.code))) throw error
  }
}
