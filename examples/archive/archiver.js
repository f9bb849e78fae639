/**
 * Moves the ended segments of a log into an archive, oldest first. The archive is a log like any other, without a
 * writer: `WalReader` reads it. At every moment each record is in one of the two, and for a moment in both.
 *
 * For logs that are not truncated: what is archived stays.
 */
import { basename, dirname, join } from 'node:path'
import { listSegments } from '@sq/storage'

/** @typedef {import('@sq/sim').FileSystem} FileSystem */
/** @typedef {import('@sq/storage').WalConfig} WalConfig */
/** @typedef {import('@sq/storage').WalWriter} WalWriter */
/** @typedef {{ log: WalConfig, archive: WalConfig, topic: string, partition: number }} Places */

export class Archiver {
  #fs
  #places
  #directory
  #last = Promise.resolve()

  /**
   * @param {FileSystem} fs
   * @param {Places} places
   */
  constructor(fs, places) {
    this.#fs = fs
    this.#places = places
    this.#directory = join(places.archive.dataDir, places.topic, String(places.partition))
  }

  /**
   * Moves what has ended by now, and resolves when that is done. To be called when the log was opened, since a process
   * that dies tells nobody of its last segments, and then with every segment that ends. Calls wait for each other.
   * After a rejection it may be called again.
   *
   * @param {WalWriter} writer
   */
  run(writer) {
    const move = () => this.#move(writer)
    const run = this.#last.then(move)
    this.#last = run.catch(() => {})
    return run
  }

  /** @param {WalWriter} writer */
  async #move(writer) {
    const { log, topic, partition } = this.#places
    const ended = (await listSegments(this.#fs, log, topic, partition)).filter(({ state }) => state !== 'active')
    const newest = ended.at(-1)
    if (newest === undefined) return
    await this.#makeDirectory()
    const archived = new Set(await this.#fs.readdir(this.#directory))
    for (const segment of ended) if (!archived.has(basename(segment.path))) await this.#copy(segment)
    // Also where nothing was copied: an earlier process may have died before its names were durable.
    await this.#fs.syncDirectory(this.#directory)
    await writer.deleteSegments({ belowOffset: newest.nextOffset })
  }

  /** What stands there may be the work of a process that died before it was durable. */
  async #makeDirectory() {
    await this.#fs.mkdir(this.#directory)
    const topic = dirname(this.#directory)
    for (const above of [dirname(dirname(topic)), dirname(topic), topic]) await this.#fs.syncDirectory(above)
  }

  /**
   * Copies the bytes that count; what a failed write left behind them does not. A segment that has its name is whole,
   * but the name is not durable yet.
   *
   * @param {{ path: string, bytes: number }} segment
   */
  async #copy({ path, bytes }) {
    const name = join(this.#directory, basename(path))
    const content = Buffer.alloc(bytes)
    const source = await this.#fs.open(path, 'read')
    await source.read(content, 0).finally(() => source.close())
    const names = await this.#fs.readdir(this.#directory)
    if (names.includes(`${basename(path)}.tmp`)) await this.#fs.unlink(`${name}.tmp`)
    const target = await this.#fs.open(`${name}.tmp`, 'create')
    await target.writeDurable([content], 0).finally(() => target.close())
    await this.#fs.rename(`${name}.tmp`, name)
  }
}
