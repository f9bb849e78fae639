/** For the tests: a leader and a replica in one process, with logs on disks in memory and a connection in memory. */
import { Duplex } from 'node:stream'
import { WalReader } from '@sq/storage'
import { replicate } from './replica.js'

/** The log of either side. Its segments are small, so that short runs have several. */
export const CONFIG = { dataDir: '/data', maxSegmentBytes: 600 }

/** One end of a connection. If one end is destroyed, so is the other, without an error, as by a kill. */
class End extends Duplex {
  /** @type {End | null} */
  #other = null
  #written = () => {}
  #passes
  /** The bytes that the other end has received. */
  bytesSent = 0

  /** @param {() => boolean} passes whether the next bytes reach the other end; if not, the connection breaks */
  constructor(passes) {
    super()
    this.#passes = passes
  }

  /** @param {End} other */
  join(other) {
    this.#other = other
    other.#other = this
    return /** @type {const} */ ([this, other])
  }

  /** @override */
  _read() {
    const written = this.#written
    this.#written = () => {}
    written()
  }

  /**
   * @override
   * @param {Buffer} chunk
   * @param {BufferEncoding} _encoding
   * @param {() => void} done
   */
  _write(chunk, _encoding, done) {
    const other = this.#other
    if (!this.#passes()) {
      this.destroy()
      return
    }
    this.bytesSent += chunk.length
    if (other !== null && !other.destroyed && !other.push(chunk)) other.#written = done
    else done()
  }

  /**
   * @override
   * @param {() => void} done
   */
  _final(done) {
    this.#other?.push(null)
    done()
  }

  /**
   * @override
   * @param {Error | null} error
   * @param {(error: Error | null) => void} done
   */
  _destroy(error, done) {
    this.#other?.destroy()
    done(error)
  }
}

/**
 * Both ends of a connection. It breaks after a number of writes, for good.
 *
 * @param {{ maxWrites?: number }} [limits]
 */
export function connection({ maxWrites = Infinity } = {}) {
  let writes = 0
  const passes = () => ++writes <= maxWrites
  return new End(passes).join(new End(passes))
}

/**
 * Connects a replica to a leader. `ended` resolves with why each side stopped: null if the other side closed.
 *
 * @param {import('./leader.js').Leader} leader
 * @param {import('./log.js').Log} log
 * @param {{ maxWrites?: number }} [limits]
 */
export function join(leader, log, limits) {
  const [left, right] = connection(limits)
  const ended = Promise.all([reasonOf(leader.serve(left)), reasonOf(replicate(log, right))])
  return { ended, left, break: () => right.destroy() }
}

/** @param {Promise<void>} ending */
async function reasonOf(ending) {
  try {
    await ending
    return null
  } catch (error) {
    return error
  }
}

/** @param {string} text */
export function record(text) {
  return { value: Buffer.from(text), timestampMs: 0 }
}

/**
 * What a log holds: for each batch its offset, its checksum and its values. Segment boundaries do not show.
 *
 * @param {import('@sq/sim').FileSystem} fs
 */
export async function batchesIn(fs) {
  const reader = await WalReader.open(fs, CONFIG, 'events', 0)
  /** @type {{ offset: bigint, checksum: number, values: string[] }[]} */
  const batches = []
  for await (const batch of reader.readBatches()) {
    const values = batch.records().map(({ value }) => String(value))
    batches.push({ offset: batch.baseOffset, checksum: batch.checksum, values })
  }
  return batches
}

/** @param {import('@sq/sim').FileSystem} fs */
export async function valuesIn(fs) {
  return (await batchesIn(fs)).flatMap(({ values }) => values)
}
