/** Copies all readable commits of a damaged log to a new log, with their offsets. */
import { basename, resolve } from 'node:path'
import { dumpSegment, WalIoError } from '@sq/storage'
import type { LogReport, SegmentPart, WalWriter } from '@sq/storage'
import { CommandError } from '../command-error.ts'
import type { LocatedLog } from '../log-source.ts'
import { counted, formatCount, printLine, printLines, writeJson } from '../output.ts'
import { shownPath } from '../shown-path.ts'
import { makeLog } from './new-log.ts'
import { segmentFiles } from './segment-files.ts'
import { verifyWithProgress } from './verify.ts'

export interface SalvageOptions {
  readonly to: string
  readonly json?: boolean
}

/** Offsets whose records are lost: from the first up to, and not including, the last. */
interface Lost {
  readonly firstOffset: bigint
  readonly nextOffset: bigint
}

/** The payload and the metadata of a batch that stands for lost offsets. */
const LOST = Buffer.from('these offsets were lost: sq-wal salvage')

/** The most offsets of one batch. */
const MAX_OFFSETS = 2n ** 32n - 1n

/** Appends of this size wait for each other. */
const WRITE_BYTES = 4 * 1024 * 1024

/** Rejects with a `CommandError` if nothing can be salvaged. */
export async function salvage(log: LocatedLog, { to, json = false }: SalvageOptions): Promise<void> {
  const { topic, partition } = log
  const before = await verifyWithProgress(log)
  refuseUnsupported(before)
  const commits = readableCommits(log, before)
  const first = await commits.next()
  if (first.done === true) throw new CommandError(`no commit of ${topic}/${partition} can be read`)
  // An opaque batch cannot be cut where the log begins.
  const start = first.value.baseOffset < before.firstOffset ? first.value.baseOffset : before.firstOffset
  const lost: Lost[] = []
  const report = await makeLog({ config: { dataDir: to }, topic, partition }, start, async (writer, signal) => {
    const refill = new Refill(writer, lost)
    await refill.append(first.value)
    for await (const commit of commits) {
      signal.throwIfAborted()
      await refill.append(commit)
    }
    await refill.endAt(before.nextOffset)
  })
  const lostOffsets = lost.reduce((sum, { firstOffset, nextOffset }) => sum + nextOffset - firstOffset, 0n)
  const { firstOffset, nextOffset } = report
  const isEndUnknown = before.problems.some(
    (problem) => problem.lastOffset === null && problem.firstOffset >= nextOffset,
  )
  const stated = isEndUnknown ? [...lost, { firstOffset: nextOffset, nextOffset: null }] : lost
  if (json) return writeJson({ topic, partition, firstOffset, nextOffset, lost: stated })
  const path = shownPath(resolve(to, topic, String(partition)))
  const kept = counted(nextOffset - firstOffset - lostOffsets, 'offset')
  await printLine(
    `${path}: ${kept} of ${formatCount(nextOffset - firstOffset)} salvaged, ${firstOffset}-${nextOffset - 1n}`,
  )
  const lines = lost.map((range) => [`  lost: offsets ${range.firstOffset}-${range.nextOffset - 1n}`])
  if (isEndUnknown) lines.push([`  lost: offsets ${nextOffset} on; how many cannot be told`])
  await printLines(lines.length === 0 ? [['  nothing is lost']] : lines)
  if (lost.length > 0)
    await printLine('Each lost range is an opaque batch of the new log, so all other records keep their offsets.')
  if (isEndUnknown) await printLine(`A writer of the new log uses the offsets from ${nextOffset} on again.`)
}

function refuseUnsupported({ problems }: LogReport): void {
  const found = problems.find(({ kind }) => kind === 'unsupported')
  if (found === undefined) return
  throw new CommandError(
    `${basename(found.path)} was written by a later version, which must salvage it: ${found.reason}`,
  )
}

type Commit = SegmentPart & { readonly kind: 'records' }

interface Readable {
  readonly baseOffset: bigint
  readonly nextOffset: bigint
  readonly commit: Commit
}

/**
 * The commits of the log that verify, in the order of their offsets: also those after damage in their segment. Commits
 * that were rejected after a failed write are left out: their offsets are those of the next segment.
 */
async function* readableCommits(log: LocatedLog, report: LogReport): AsyncGenerator<Readable> {
  const paths = await segmentFiles(log.fs, report.directory)
  let next = 0n
  for (const [at, path] of paths.entries()) {
    const successor = paths[at + 1]
    const end = successor === undefined ? report.nextOffset : BigInt(basename(successor, '.wal'))
    for await (const commit of commitsOf(log, path)) {
      const baseOffset = BigInt(commit.header.baseOffset)
      const nextOffset = baseOffset + BigInt(commit.header.recordCount)
      if (baseOffset < next || nextOffset > end || nextOffset <= report.firstOffset) continue
      next = nextOffset
      yield cut({ baseOffset, nextOffset, commit }, report.firstOffset)
    }
  }
}

/** Without the records that are deleted. An opaque batch stays whole. */
function cut({ baseOffset, nextOffset, commit }: Readable, firstOffset: bigint): Readable {
  if (commit.records === null || baseOffset >= firstOffset) return { baseOffset, nextOffset, commit }
  const records = [...commit.records].filter(({ offset }) => offset >= firstOffset)
  return { baseOffset: firstOffset, nextOffset, commit: { ...commit, records } }
}

async function* commitsOf({ fs }: LocatedLog, path: string): AsyncGenerator<Commit> {
  try {
    for await (const part of dumpSegment(fs, path)) {
      if (part.kind === 'records' && (part.records !== null || part.opaque !== null)) yield part
    }
  } catch (error) {
    // The rest of a file that cannot be read is lost.
    if (!(error instanceof WalIoError)) throw error
  }
}

/** Appends commits to a new log, and fills the offsets between them. */
class Refill {
  readonly #writer: WalWriter
  readonly #lost: Lost[]
  #nextOffset: bigint
  #timestampMs = 0
  #pending: Promise<unknown>[] = []
  #pendingBytes = 0

  constructor(writer: WalWriter, lost: Lost[]) {
    this.#writer = writer
    this.#lost = lost
    this.#nextOffset = writer.nextOffset
  }

  async append({ baseOffset, nextOffset, commit: { records, opaque, metadata, bytes } }: Readable): Promise<void> {
    await this.#fillTo(baseOffset)
    if (this.#pendingBytes + bytes.length > WRITE_BYTES) await this.#settle()
    if (opaque === null) {
      const all = [...(records ?? [])]
      this.#timestampMs = all.at(-1)?.timestampMs ?? this.#timestampMs
      this.#pending.push(this.#writer.appendBatch(all, { metadata }))
    } else {
      const recordCount = Number(nextOffset - baseOffset)
      this.#timestampMs = opaque.maxTimestampMs
      this.#pending.push(this.#writer.appendOpaque({ ...opaque, recordCount, metadata }))
    }
    this.#nextOffset = nextOffset
    this.#pendingBytes += bytes.length
  }

  /** Fills up to the end of the log. */
  async endAt(offset: bigint): Promise<void> {
    await this.#fillTo(offset)
    await this.#settle()
  }

  /** Lost offsets become an opaque batch. */
  async #fillTo(offset: bigint): Promise<void> {
    if (offset <= this.#nextOffset) return
    this.#lost.push({ firstOffset: this.#nextOffset, nextOffset: offset })
    await this.#settle()
    const times = { minTimestampMs: this.#timestampMs, maxTimestampMs: this.#timestampMs }
    while (this.#nextOffset < offset) {
      const count = offset - this.#nextOffset < MAX_OFFSETS ? offset - this.#nextOffset : MAX_OFFSETS
      await this.#writer.appendOpaque({ payload: LOST, metadata: LOST, recordCount: Number(count), ...times })
      this.#nextOffset += count
    }
  }

  async #settle(): Promise<void> {
    await Promise.all(this.#pending)
    this.#pending = []
    this.#pendingBytes = 0
  }
}
