/** A log on a real file system that may refuse things, driven by calls that keep its history. */
import { NodeFileSystem } from '@sq/sim'
import { AppendFailedError, WalWriter } from '@sq/storage'
import { History, Violation } from '../history.ts'
import { PARTITION, TOPIC } from '../log-under-test.ts'
import { makeRecord } from './numbered-record.ts'
import { readSerials } from './read-serials.ts'

export interface WitnessedLogOptions {
  readonly firstSerial?: number
  /** Called with what an append took, as soon as it is acknowledged. */
  readonly onAcknowledged?: (serials: readonly number[]) => void
}

export class WitnessedLog {
  readonly history: History = new History()
  acknowledged = 0
  rejected = 0
  /** What appends were rejected with: one error for all that fail together. */
  readonly failures: Set<AppendFailedError> = new Set()
  readonly #dataDir: string
  readonly #onAcknowledged: (serials: readonly number[]) => void
  #serial: number
  #writer: WalWriter | null = null

  /** `firstSerial`: of the first record that is appended; the others follow. */
  constructor(dataDir: string, { firstSerial = 0, onAcknowledged = () => {} }: WitnessedLogOptions = {}) {
    this.#dataDir = dataDir
    this.#serial = firstSerial
    this.#onAcknowledged = onAcknowledged
  }

  /** The writer, which must be open. */
  get writer(): WalWriter {
    if (this.#writer === null) throw new Error('the log is not open')
    return this.#writer
  }

  get isOpen(): boolean {
    return this.#writer !== null
  }

  /** Opens the log, and holds what it finds against the history. */
  async open(): Promise<void> {
    const writer = await WalWriter.open(new NodeFileSystem(), { dataDir: this.#dataDir }, TOPIC, PARTITION)
    try {
      const serials = await readSerials(this.#dataDir)
      if (writer.nextOffset !== BigInt(serials.length)) {
        throw new Violation(`2: ${serials.length} records are there, the next offset is ${writer.nextOffset}`)
      }
      this.history.recovered(serials)
      this.#writer = writer
    } catch (error) {
      await writer.close().catch(() => {})
      throw error
    }
  }

  /** Appends so many records as one. Resolves with what the caller was told: null if they are durable. */
  async append(count: number): Promise<AppendFailedError | null> {
    const serials = Array.from({ length: count }, () => this.#serial++)
    const unit = this.history.attempt(serials)
    try {
      const offset = await this.writer.appendBatch(serials.map(makeRecord))
      this.acknowledged += count
      this.history.acknowledge(unit, offset)
      this.#onAcknowledged(serials)
      return null
    } catch (error) {
      if (!(error instanceof AppendFailedError)) throw error
      this.rejected += count
      this.failures.add(error)
      this.history.reject(unit, error)
      return error
    }
  }

  /** Ends the active segment. */
  async rotate(): Promise<void> {
    await this.writer.closeActiveSegment()
    this.history.settled()
  }

  /** Closes the log. Where this rejects, it is closed all the same. */
  async close(): Promise<void> {
    const { writer } = this
    this.#writer = null
    await writer.close()
    this.history.settled()
  }

  /** Reads beside the writer, which must be idle: exactly what was acknowledged must be there. */
  async check(): Promise<void> {
    const serials = await readSerials(this.#dataDir)
    const { acknowledged } = this.history
    if (serials.join() === acknowledged.join()) return
    throw new Violation(`1 or 7: a reader saw [${serials.join(' ')}], acknowledged were [${acknowledged.join(' ')}]`)
  }
}
