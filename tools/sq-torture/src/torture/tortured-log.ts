/** A log on a real disk, and the processes that append to it and are killed, one after another. */
import { stat } from 'node:fs/promises'
import { NodeFileSystem } from '@sq/sim'
import type { Random } from '@sq/sim'
import { listSegments, LogNotFoundError, WalWriter } from '@sq/storage'
import { Violation } from '../history.ts'
import { PARTITION, TOPIC } from '../log/log-under-test.ts'
import { Ledger } from './ledger.ts'
import { liveUntilKilled } from './life.ts'
import type { KillMoment } from './life.ts'
import { makeRecord } from './numbered-record.ts'
import { readSerials } from './read-serials.ts'

/** No process appends more records than this. */
const SERIALS_A_LIFE = 2 ** 20
/** The result of one kill. */
export interface Kill {
  readonly whileOpening: boolean
  /** The records that were acknowledged to the killed process. */
  readonly acknowledged: number
  /** The bytes of the torn tail that the kill left. */
  readonly tornBytes: number
}

export class TorturedLog {
  readonly #dataDir: string
  readonly #random: Random
  readonly #ledger = new Ledger()
  #nextSerial: number

  constructor(dataDir: string, random: Random) {
    this.#dataDir = dataDir
    this.#random = random
    this.#nextSerial = random.uint32() * SERIALS_A_LIFE
  }

  /** Starts one process, kills it, and checks the log. Rejects with a `Violation`, or when aborted. */
  async kill(signal: AbortSignal): Promise<Kill> {
    const task = { dataDir: this.#dataDir, planSeed: this.#random.uint32(), firstSerial: this.#nextSerial }
    this.#nextSerial += SERIALS_A_LIFE
    const before = this.#ledger.held.length
    const life = await liveUntilKilled(task, { ...drawMoment(this.#random), signal })
    this.#ledger.survived(task, life, await readSerials(this.#dataDir))
    return {
      whileOpening: life.killedWhileOpening,
      acknowledged: Math.max(life.nextOffset - before, 0),
      tornBytes: await tornBytes(this.#dataDir),
    }
  }

  /** After all kills the log must work: it opens, appends, closes, and has every record. */
  async finish(): Promise<void> {
    const { held } = this.#ledger
    const writer = await WalWriter.open(new NodeFileSystem(), { dataDir: this.#dataDir }, TOPIC, PARTITION)
    const offset = await writer.appendBatch([makeRecord(this.#nextSerial)])
    await writer.close()
    const found = await readSerials(this.#dataDir)
    if (offset !== BigInt(held.length) || found.join() !== [...held, this.#nextSerial].join()) {
      throw new Violation(
        `6: after all kills the log had ${held.length} records, but the next one got offset ${offset}`,
      )
    }
  }
}

/** Nearly half of the kills are timed to hit the opening of the log, which takes some milliseconds. */
function drawMoment(random: Random): KillMoment {
  return random.chance(0.4)
    ? { after: 'opening', delayMs: random.int(25) }
    : { after: 'opened', delayMs: random.int(200) }
}

/** The bytes in the last file after the end of the log. */
async function tornBytes(dataDir: string): Promise<number> {
  try {
    const last = (await listSegments(new NodeFileSystem(), { dataDir }, TOPIC, PARTITION)).at(-1)
    return last === undefined ? 0 : (await stat(last.path)).size - last.bytes
  } catch (error) {
    if (error instanceof LogNotFoundError) return 0
    throw error
  }
}
