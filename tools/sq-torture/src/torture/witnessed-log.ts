/** A log on a real file system whose calls may fail. Its calls record the history. */
import { NodeFileSystem } from '@sq/sim'
import { AppendFailedError, WalWriter } from '@sq/storage'
import { History, Violation } from '../history.ts'
import { PARTITION, TOPIC } from '../log/log-under-test.ts'
import { makeRecord } from './numbered-record.ts'
import { readSerials } from './read-serials.ts'

export interface WitnessedLogOptions {
  readonly firstSerial?: number
  /** Called with the serial numbers of an append as soon as it is acknowledged. */
  readonly onAcknowledged?: (serials: readonly number[]) => void
}

export class WitnessedLog {
  readonly history: History = new History()
  acknowledged = 0
  rejected = 0
  /** The errors of rejected appends: one error for all that failed together. */
  readonly failures: Set<AppendFailedError> = new Set()
  readonly #dataDir: string
  readonly #onAcknowledged: (serials: readonly number[]) => void
  #serial: number
  #writer: WalWriter | null = null

  /** `firstSerial`: the serial number of the first record. Later ones count up. */
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

  /** Opens the log and compares it with the history. */
  async open(): Promise<void> {
    const writer = await WalWriter.open(new NodeFileSystem(), { dataDir: this.#dataDir }, TOPIC, PARTITION)
    try {
      const serials = await readSerials(this.#dataDir)
      if (writer.nextOffset !== BigInt(serials.length)) {
        throw new Violation(`2: the log has ${serials.length} records, but the next offset is ${writer.nextOffset}`)
      }
      this.history.recovered(serials)
      this.#writer = writer
    } catch (error) {
      await writer.close().catch(() => {})
      throw error
    }
  }

  /** Appends records, as a batch if there are several. Resolves with the error of the append, or null. */
  async append(count: number): Promise<AppendFailedError | null> {
    const serials = Array.from({ length: count }, () => this.#serial++)
    const unit = this.history.submit(serials)
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

  /** Closes the log. It is closed even if this rejects. */
  async close(): Promise<void> {
    const { writer } = this
    this.#writer = null
    await writer.close()
    this.history.settled()
  }

  /** Reads while the writer is idle. The log must have exactly the acknowledged records. */
  async check(): Promise<void> {
    const serials = await readSerials(this.#dataDir)
    const { acknowledged } = this.history
    if (serials.join() === acknowledged.join()) return
    throw new Violation(
      `1 or 7: a reader saw [${serials.join(' ')}], but [${acknowledged.join(' ')}] were acknowledged`,
    )
  }
}
