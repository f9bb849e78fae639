/**
 * The checkpoints of a log. Each is complete or absent in every image of the disk, and never changes. The name of its
 * data directory says what it must hold at least, so an image says that, too.
 */
import type { FileSystem } from '@sq/sim'
import type { WalConfig, WalWriter } from '@sq/storage'
import { DELETED, Violation } from '../history.ts'
import type { Contents, ValueId, ValueTable } from '../history.ts'
import { namesIn } from './disk.ts'
import type { Disk } from './disk.ts'
import { findRecords, undamaged } from './found-records.ts'
import type { FoundRecord } from './found-records.ts'

interface CopiedLog {
  readonly disk: Disk
  readonly config: WalConfig
  readonly topic: string
  readonly partition: number
  readonly values: ValueTable
  readonly inBatches: boolean
}

/** What is known of a checkpoint: what it must hold at least until it was read, and from then on what it holds. */
interface Known {
  readonly values: ReadonlyMap<number, ValueId>
  readonly isExact: boolean
  /** Its log end offset; null until it is made. */
  readonly nextOffset: number | null
}

export class Checkpoints {
  readonly #log: CopiedLog
  readonly #known = new Map<string, Known>()
  #begun = 0

  constructor(log: CopiedLog) {
    this.#log = log
  }

  /** The number of checkpoints that were begun. */
  get begun(): number {
    return this.#begun
  }

  /** Makes a checkpoint below the data directory, of a log that has these contents and may grow meanwhile. */
  async make(writer: WalWriter, contents: Contents): Promise<void> {
    const { config, partition } = this.#log
    const firstOffset = Number(writer.logStartOffset)
    const name = `checkpoint ${partition} ${this.#begun++} ${firstOffset} ${contents.length}`
    const values = [...contents.entries()].filter(([offset]) => offset >= firstOffset)
    const known = { values: new Map(values), isExact: false }
    this.#known.set(name, { ...known, nextOffset: null })
    const nextOffset = await writer.checkpoint(`${config.dataDir}/${name}`)
    this.#known.set(name, { ...known, nextOffset: Number(nextOffset) })
  }

  /** Every checkpoint is absent, or complete, not damaged, and as it was. */
  async check(fs: FileSystem): Promise<void> {
    const { disk, config, topic, partition } = this.#log
    for (const name of namesIn(disk, config.dataDir)) {
      const [kind, of, , firstOffset, nextOffset] = name.split(' ')
      const dataDir = `${config.dataDir}/${name}`
      if (kind !== 'checkpoint' || of !== String(partition)) continue
      if (!namesIn(disk, `${dataDir}/${topic}`).includes(String(partition))) continue
      const found = await this.#read(fs, dataDir, Number(firstOffset))
      checkOffsets(found, { firstOffset: Number(firstOffset), nextOffset: Number(nextOffset) })
      this.#checkValues(name, found)
      this.#checkEnd(name, Number(firstOffset) + found.length)
    }
  }

  async #read(fs: FileSystem, dataDir: string, firstOffset: number): Promise<FoundRecord[]> {
    const { topic, partition, values, inBatches } = this.#log
    const place = { fs, config: { dataDir }, topic, partition }
    const found = await undamaged(() => findRecords(place, values, { inBatches }))
    return found.filter(({ offset, isOpaque }) => !isOpaque || offset >= firstOffset)
  }

  #checkValues(name: string, found: readonly FoundRecord[]): void {
    const known = this.#known.get(name)
    const values = new Map(found.map(({ offset, value }) => [offset, value]))
    for (const [offset, value] of known?.values ?? []) {
      if (values.get(offset) === value || value === DELETED) continue
      throw new Violation(`1: a checkpoint has ${values.get(offset)} at offset ${offset}, expected ${value}`)
    }
    if (known?.isExact === true && known.values.size !== values.size) {
      throw new Violation(`1: a checkpoint had ${known.values.size} records, and has ${values.size}`)
    }
    this.#known.set(name, { values, isExact: true, nextOffset: known?.nextOffset ?? null })
  }

  /** It has nothing after the log end offset that it was made with. */
  #checkEnd(name: string, end: number): void {
    const nextOffset = this.#known.get(name)?.nextOffset ?? end
    if (end !== nextOffset) throw new Violation(`1: a checkpoint ends at ${end}, expected ${nextOffset}`)
  }
}

/** All from the first offset to the next one, and possibly more: what was appended meanwhile. */
function checkOffsets(
  found: readonly FoundRecord[],
  { firstOffset, nextOffset }: { firstOffset: number; nextOffset: number },
): void {
  const isGapless = found.every(({ offset }, index) => offset === firstOffset + index)
  if (isGapless && firstOffset + found.length >= nextOffset) return
  const offsets = found.map(({ offset }) => offset).join()
  throw new Violation(`1: a checkpoint has [${offsets}], expected at least ${firstOffset} to ${nextOffset - 1}`)
}
