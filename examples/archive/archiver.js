/**
 * Moves the closed segments of a log into an archive, oldest first. The archive is a log without a writer, which
 * `WalReader` reads. Every record is always in the log or in the archive, and for a moment in both.
 *
 * Use it only for logs that are never truncated: archived records stay.
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
   * Moves every closed segment, and resolves when that is done. Call it after opening the log, since a process that
   * died did not report its last segments, and then for every segment that is closed. Calls run one after the other.
   * After a rejection, call it again.
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
    // Even if nothing was copied: an earlier process may have died before the names were durable.
    await this.#fs.syncDirectory(this.#directory)
    await writer.deleteSegments({ belowOffset: newest.nextOffset })
  }

  /** Syncs existing directories, too: a process may have created them and died before they were durable. */
  async #makeDirectory() {
    await this.#fs.mkdir(this.#directory)
    const topic = dirname(this.#directory)
    for (const above of [dirname(dirname(topic)), dirname(topic), topic]) await this.#fs.syncDirectory(above)
  }

  /**
   * Copies the valid bytes of a segment, without those that a failed write left after them. A file with the segment's
   * name is complete, but the name is not durable yet.
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
