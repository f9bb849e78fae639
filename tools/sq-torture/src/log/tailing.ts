/**
 * The tailing readers of a log: one in the process of the writer, one in another process. Knows which records each may
 * get late, and which ones no later recovery may lose.
 */
import type { WalReader } from '@sq/storage'
import { DELETED, Violation } from '../history.ts'
import type { Contents, History, ValueId, ValueTable } from '../history.ts'
import type { FoundRecord } from './found-records.ts'
import { InProcessReader } from './in-process-reader.ts'
import { OtherProcessReader } from './other-process-reader.ts'

/** The log that is tailed. */
interface TailedLog {
  readonly history: History
  readonly values: ValueTable
  readonly inBatches: boolean
  firstOffset(): number
  /** The log end offset of its writer; null if none is open. */
  durableEnd(): bigint | null
}

/** A process with a reader in it. */
interface ReadingProcess {
  isAlive(): boolean
  openReader(): Promise<WalReader>
}

type OffsetIds = Set<ValueId>[]

export class Tailing {
  readonly #log: TailedLog
  #inProcess: InProcessReader | null = null
  #otherProcess: OtherProcessReader | null = null
  #isBusy = false
  /** The acknowledged records when the last truncation began. A tailing reader may just have got some of them. */
  #beforeCut: Contents = []
  /** The offsets that the log was truncated to, or may have been. */
  readonly #cuts: number[] = []
  /**
   * All records that were ever in the log, by offset. A slow tailing reader may get them long after their truncation or
   * deletion.
   */
  #ever: OffsetIds = []
  /** The same for the logs that were deleted: only an iteration that began before that may get them. */
  #everDeleted: OffsetIds = []
  #deletions = 0
  #deletionsAtBegin = 0
  /** The records that earlier tailing readers in another process got as durable. */
  readonly #mustStay = new Map<bigint, ValueId>()

  constructor(log: TailedLog) {
    this.#log = log
  }

  get isInProcess(): boolean {
    return this.#inProcess !== null
  }

  get isInOtherProcess(): boolean {
    return this.#otherProcess !== null
  }

  /** Starts a reader that tails the whole log until the process dies, and spends some turns on each record. */
  start(process: ReadingProcess, { isBusy, busyTurns }: { isBusy: boolean; busyTurns: () => number }): void {
    this.#isBusy = isBusy
    const { values, inBatches } = this.#log
    this.#inProcess ??= new InProcessReader({
      ...process,
      begins: () => {
        this.#deletionsAtBegin = this.#deletions
      },
      check: (record) => this.#check(record),
      cuts: this.#cuts,
      deletions: () => this.#deletions,
      values,
      inBatches,
      busyTurns,
    })
  }

  /** Starts a tailing reader in another process, which shares no memory with the writer. */
  startInOtherProcess(
    process: ReadingProcess,
    { durableOnly, busyTurns }: { durableOnly: boolean; busyTurns: () => number },
  ): void {
    const { values, inBatches } = this.#log
    this.#otherProcess ??= new OtherProcessReader({
      ...process,
      cuts: this.#cuts,
      durableOnly,
      values,
      inBatches,
      busyTurns,
    })
  }

  /** The processes of both readers are about to die, or only that of the writer. */
  dying({ alone }: { alone: boolean }): void {
    this.#inProcess?.throwIfFailed()
    this.#inProcess = null
    if (alone) return
    this.#otherProcess?.throwIfFailed()
    for (const [offset, id] of this.#otherProcess?.mustStay ?? []) this.#mustStay.set(offset, id)
    this.#otherProcess = null
  }

  /** Checks that every tailing reader soon reaches the end of the log, and stops them. */
  async stop(nextOffset: bigint): Promise<void> {
    await this.#otherProcess?.converges(this.#log.history.acknowledged)
    this.#otherProcess = null
    await this.#inProcess?.reaches(nextOffset)
    this.#inProcess = null
  }

  /** A truncation at an offset begins, or a reset or deletion of the log at offset 0. */
  cutting(offset: number): void {
    this.#beforeCut = this.#log.history.acknowledged
    this.#cuts.push(offset)
  }

  /** The log is about to be deleted. */
  deleting(): void {
    this.cutting(0)
    this.#deletions++
  }

  /** The log is gone: no iteration that begins from now on may return anything of it. */
  deleted(): void {
    this.#deletions++
    for (const [offset, ids] of this.#ever.entries())
      this.#everDeleted[offset] = new Set([...(this.#everDeleted[offset] ?? []), ...(ids ?? [])])
    this.#ever = []
    this.#beforeCut = []
  }

  /** A record is in the log. */
  keep(offset: number, id: ValueId): void {
    this.#ever[offset] = (this.#ever[offset] ?? new Set()).add(id)
  }

  /** The log was recovered with these contents. */
  recovered(contents: Contents): void {
    for (const [offset, id] of this.#mustStay) {
      const stands = contents[Number(offset)]
      if (stands !== id && stands !== DELETED) {
        throw new Violation(`7: ${id} was read as durable at offset ${offset}, but after recovery ${stands} is there`)
      }
    }
    this.#mustStay.clear()
  }

  #check({ offset, value: id }: FoundRecord): void {
    const { history } = this.#log
    const isFromBefore = this.#deletionsAtBegin !== this.#deletions
    // Deletion by age may also delete the newest records before a tailing reader gets them.
    const mayBeLate = isFromBefore || this.#isBusy || offset < this.#log.firstOffset()
    if (mayBeLate ? this.#wasThere(offset, id, isFromBefore) : this.#beforeCut[offset] === id) return
    const durableEnd = this.#log.durableEnd()
    if (durableEnd !== null && offset >= durableEnd) {
      throw new Violation(`7: a tailing reader saw offset ${offset}, but the durable records end before ${durableEnd}`)
    }
    if (!history.allows((whole) => whole[offset] === id)) {
      throw new Violation(`7: a tailing reader saw ${id} at offset ${offset}, which is not durable there`)
    }
  }

  #wasThere(offset: number, id: ValueId, isFromBefore: boolean): boolean {
    if (this.#ever[offset]?.has(id) === true) return true
    return isFromBefore && this.#everDeleted[offset]?.has(id) === true
  }
}
