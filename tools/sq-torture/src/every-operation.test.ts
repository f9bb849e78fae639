/**
 * Fails every I/O operation in the life of a log: each alone, and each with all later ones. Whatever failed, every
 * acknowledged record is there, and after the fault everything works.
 */
import { InMemoryFileSystem } from '@sq/sim/memory'
import type { FailedSyncModel, Operation } from '@sq/sim/memory'
import { listSegments, LogNotFoundError, WalError } from '@sq/storage'
import { describe, expect, test } from 'vitest'
import { ValueTable, Violation } from './history.ts'
import { LogUnderTest, PARTITION, TOPIC } from './log/log-under-test.ts'

const OPERATIONS: readonly Operation[] = [
  'open',
  'create',
  'read',
  'write',
  'sync',
  'truncate',
  'size',
  'close',
  'mkdir',
  'readdir',
  'stat',
  'unlink',
  'rename',
  'syncDirectory',
  'lock',
]

interface Failing {
  readonly model: FailedSyncModel
  readonly error: string
  readonly forGood: boolean
  /** What happens when the fault ends. */
  readonly afterwards: 'nothing' | 'a kill' | 'a power cut'
}

/** A log whose file system fails the n-th operation, and optionally all later ones. */
class FailingLife {
  readonly #log: LogUnderTest
  readonly #seen = { operations: 0, failedSteps: 0 }
  readonly #stopFailing: () => void
  #isOpen = false
  #serial = 0

  constructor({ model, error, forGood }: Failing, nth: number) {
    const fs = new InMemoryFileSystem({ failedSync: model })
    this.#log = new LogUnderTest(fs, { values: new ValueTable() })
    const strikes = (): boolean => {
      const number = ++this.#seen.operations
      return forGood ? number >= nth : number === nth
    }
    const rule = fs.faults.add({ on: OPERATIONS, when: 'always', path: strikes, fault: { error } })
    this.#stopFailing = () => rule.remove()
  }

  /** The number of operations, and the number of steps that failed. */
  get seen(): Readonly<{ operations: number; failedSteps: number }> {
    return this.#seen
  }

  /** Several commits, two at once, rotation, reading, deletion, truncation, and closing. */
  async live(): Promise<void> {
    const log = this.#log
    await this.#step(() => this.#append())
    await this.#step(() => Promise.all([this.#append(), this.#append(), log.readDuringWrites()]))
    await this.#step(() => log.rotate())
    await this.#step(() => this.#append())
    await this.#step(() => listSegments(log.fs, { dataDir: '/d' }, TOPIC, PARTITION))
    await this.#step(() => this.#append(2000))
    await this.#close()
    await this.#step(() => this.#append())
    await this.#step(() => log.rotate())
    await this.#step(() => log.deleteSegments())
    await this.#close()
    await this.#step(() => Promise.all([this.#append(), this.#append(), this.#append()]))
    await this.#step(() => log.deleteRecords(log.history.acknowledged.length - 1))
    await this.#step(() => log.deleteRecords(log.history.acknowledged.length))
    await this.#close()
    await this.#step(() => this.#append())
    await this.#step(() => log.truncate(Math.max(log.firstOffset, log.history.acknowledged.length - 1)))
    await this.#close()
  }

  /** Ends the fault. After the kill or the power cut that follows, everything must work. */
  async recover(afterwards: Failing['afterwards']): Promise<void> {
    const log = this.#log
    this.#stopFailing()
    if (afterwards !== 'nothing') {
      log.die()
      this.#isOpen = false
    }
    if (afterwards === 'a kill') log.fs.kill()
    if (afterwards === 'a power cut') log.fs.crash()
    if (!this.#isOpen) await log.open()
    const { rejected } = log
    await this.#append()
    await log.rotate()
    await this.#append()
    if (log.rejected > rejected) throw new Violation('6: an append was rejected after the fault had ended')
    await log.close()
    log.fs.crash()
    await log.open()
    await log.close()
  }

  async #close(): Promise<void> {
    await this.#step(() => {
      this.#isOpen = false
      return this.#log.close()
    })
  }

  /** Runs a step on the log, and opens it first if it is closed. */
  async #step(step: () => Promise<unknown>): Promise<void> {
    const { rejected } = this.#log
    try {
      if (!this.#isOpen) await this.#log.open()
      this.#isOpen = true
      await step()
    } catch (error) {
      if (!isRefusal(error)) throw error
      this.#seen.failedSteps++
      return
    }
    if (this.#log.rejected > rejected) this.#seen.failedSteps++
  }

  #append(length = 20): Promise<void> {
    return this.#log.append(Buffer.alloc(length, `${this.#serial++},`))
  }
}

/** Whether an error reports a failed operation, or a log that was not created because of one. */
function isRefusal(error: unknown): boolean {
  return error instanceof LogNotFoundError || (error instanceof WalError && error.code === 'SQ_WAL_IO')
}

/** Fails the first operation, then in a new run the second, and so on. Resolves with the number of operations. */
async function failEach(failing: Failing): Promise<number> {
  for (let nth = 1; ; nth++) {
    const life = new FailingLife(failing, nth)
    try {
      await life.live()
      const { operations, failedSteps } = life.seen
      await life.recover(failing.afterwards)
      if (!failing.forGood && failing.model !== 'readonly' && failedSteps > 1) {
        throw new Violation(`6: a single failed operation made ${failedSteps} steps fail`)
      }
      if (operations < nth) return nth - 1
    } catch (cause) {
      throw new Error(`operation ${nth}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
    }
  }
}

/** The models of a failed sync differ only after a power cut; a read-only file system needs a restart. */
const SETTINGS: readonly Omit<Failing, 'forGood'>[] = [
  { model: 'ext4', error: 'EIO', afterwards: 'nothing' },
  { model: 'ext4', error: 'EIO', afterwards: 'a kill' },
  { model: 'ext4', error: 'EIO', afterwards: 'a power cut' },
  { model: 'ext4', error: 'ENOSPC', afterwards: 'nothing' },
  { model: 'btrfs', error: 'EIO', afterwards: 'a power cut' },
  { model: 'readonly', error: 'EIO', afterwards: 'a power cut' },
]

describe('each operation of a log fails', () => {
  test.each(SETTINGS)(
    'a log survives each operation failing once with $error on $model, then $afterwards',
    async (setting) => {
      expect(await failEach({ ...setting, forGood: false })).toBeGreaterThan(200)
    },
  )

  test.each(SETTINGS)(
    'a log survives each operation and all later ones failing with $error on $model, then $afterwards',
    async (setting) => {
      expect(await failEach({ ...setting, forGood: true })).toBeGreaterThan(200)
    },
  )
})
