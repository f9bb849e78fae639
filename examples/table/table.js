/**
 * A table of keys and values that survives a power cut. Every change is a record in a log. A snapshot file
 * (`replace-file.js`) has the state up to an offset, so that earlier records can be deleted.
 */
import { join } from 'node:path'
import { WalReader, WalWriter } from '@sq/storage'
import { readFile, replaceFile } from './replace-file.js'

/** @typedef {import('@sq/sim').FileSystem} FileSystem */
/** @typedef {{ nextOffset: number, entries: [key: string, value: string][] }} Snapshot */

const TOPIC = 'table'
const decoder = new TextDecoder()

export class Table {
  #fs
  #writer
  #path
  #replace
  #entries
  /** The offset of the first change that is not in `#entries`. */
  #nextOffset

  /**
   * @param {FileSystem} fs
   * @param {WalWriter} writer
   * @param {{ path: string, replace: typeof replaceFile, snapshot: Snapshot }} state
   */
  constructor(fs, writer, { path, replace, snapshot }) {
    this.#fs = fs
    this.#writer = writer
    this.#path = path
    this.#replace = replace
    this.#entries = new Map(snapshot.entries)
    this.#nextOffset = BigInt(snapshot.nextOffset)
  }

  /**
   * Opens the table in a directory, which is created if missing. The way to replace the snapshot is a parameter, so
   * that the test can show what goes wrong with careless ways.
   *
   * @param {FileSystem} fs
   * @param {string} directory
   */
  static async open(fs, directory, replace = replaceFile) {
    const config = { dataDir: join(directory, 'log') }
    const writer = await WalWriter.open(fs, config, TOPIC, 0)
    const path = join(directory, 'snapshot.json')
    const bytes = await readFile(fs, path)
    /** @type {Snapshot} */
    const snapshot = bytes === null ? { nextOffset: 0, entries: [] } : JSON.parse(bytes.toString())
    const table = new Table(fs, writer, { path, replace, snapshot })
    const reader = await WalReader.open(fs, config, TOPIC, 0)
    for await (const record of reader.read({ from: table.#nextOffset })) table.#apply(record)
    return table
  }

  /** The entries by key. Only those that would survive a power cut. */
  get entries() {
    return new Map(this.#entries)
  }

  /**
   * Sets a value, and resolves once that is durable.
   *
   * @param {string} key
   * @param {string} value
   */
  async set(key, value) {
    const record = { key: Buffer.from(key), value: Buffer.from(value) }
    // Appends resolve in the order of the log, so changes are applied here in the same order as after reopening.
    const offset = await this.#writer.append(record.key, record.value, [], Date.now())
    this.#apply({ ...record, offset })
  }

  /** Writes a snapshot, and then deletes the segments that it covers. */
  async compact() {
    const nextOffset = this.#nextOffset
    const snapshot = { nextOffset: Number(nextOffset), entries: [...this.#entries] }
    await this.#writer.closeActiveSegment()
    await this.#replace(this.#fs, this.#path, Buffer.from(JSON.stringify(snapshot)))
    await this.#writer.deleteSegments({ belowOffset: nextOffset })
  }

  async close() {
    await this.#writer.close()
  }

  /** @param {{ key: Uint8Array | null, value: Uint8Array | null, offset: bigint }} record */
  #apply({ key, value, offset }) {
    if (key !== null && value !== null) this.#entries.set(decoder.decode(key), decoder.decode(value))
    this.#nextOffset = offset + 1n
  }
}
