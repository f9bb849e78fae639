import { Random } from '@sq/sim'
import { describe, expect, it, test } from 'vitest'
import { CorruptLogError, RecordBatch } from '../../index.ts'
import type { LogRecord, ReadOptions } from '../../index.ts'
import { SegmentBytes } from '../../testing/segment-bytes.ts'
import { FrameType } from '../format/frame.ts'
import { recordBytes } from '../format/record.ts'
import type { RecordParts } from '../format/record.ts'
import type { LocatedFrame } from '../segments/segment-file.ts'
import type { FrameStream } from './frame-stream.ts'
import { checkReadOptions } from './read-options.ts'
import { CommitBatch, CommitRecords, Selection } from './selection.ts'
import type { ElementsOf } from './selection.ts'

const ELEMENTS_OF = {
  records: (located, range) => new CommitRecords(located, range),
  batches: (located, range) => new CommitBatch(located, range),
} satisfies { records: ElementsOf<LogRecord>; batches: ElementsOf<RecordBatch> }

/** A stream of commits that are all available, until it is interrupted. */
class Commits implements Pick<FrameStream, 'isInterrupted' | 'take' | 'give'> {
  isInterrupted = false
  /** What `give` was called with last. */
  given: number | null = null
  taken = 0
  readonly #left: LocatedFrame[]

  constructor(commits: readonly LocatedFrame[], from = 0) {
    this.#left = commits.filter(({ frame }) => endOf(frame) > from)
  }

  take(): LocatedFrame | null {
    this.taken++
    return this.isInterrupted ? null : (this.#left.shift() ?? null)
  }

  give(nextOffset: number): void {
    this.given = nextOffset
  }
}

function endOf({ header }: LocatedFrame['frame']): number {
  return header.baseOffset + header.recordCount
}

interface Element {
  readonly from: number
  readonly to: number
  readonly bytes: number
  readonly latestMs: number
  /** The index of its commit. */
  readonly commit: number
}

/** The elements that an iteration must return, by the definition of its options. */
function expected(elements: readonly Element[], options: ReadOptions): { returned: Element[]; isLimited: boolean } {
  const { from = 0n, fromTimestampMs, to = Infinity, maxRecords = Infinity, maxBytes = Infinity } = options
  const isWanted = ({ to: end, latestMs }: Element): boolean =>
    fromTimestampMs === undefined ? end > Number(from) : latestMs >= fromTimestampMs
  const first = elements.findIndex(isWanted)
  const returned: Element[] = []
  let [records, bytes] = [0, 0]
  for (const element of first === -1 ? [] : elements.slice(first)) {
    if (element.from >= to) break
    records += element.to - element.from
    bytes += element.bytes
    if (returned.length > 0 && (records > maxRecords || bytes > maxBytes)) return { returned, isLimited: true }
    returned.push(element)
    if (records >= maxRecords || bytes >= maxBytes) return { returned, isLimited: true }
  }
  return { returned, isLimited: false }
}

/** Some commits, of lengths around that of a page, too, with timestamps in no order. */
function someCommits(random: Random): { commits: LocatedFrame[]; inputs: RecordParts[][] } {
  const segment = new SegmentBytes()
  const inputs = Array.from({ length: 1 + random.int(5) }, () =>
    Array.from({ length: random.pick([1, 1, 2, 3, 5, 255, 256, 257, 600]) }, () => ({
      key: null,
      value: Buffer.alloc(random.int(4)),
      headers: [],
      timestampMs: random.int(2) * random.int(20),
    })),
  )
  for (const records of inputs) segment.commit(records)
  return { commits: inputs.map((_, index) => segment.located(index)), inputs }
}

function elementsOf(kind: 'records' | 'batches', inputs: readonly RecordParts[][]): Element[] {
  let offset = 0
  return inputs.flatMap((records, commit) => {
    const each = records.map((record, index) => {
      const from = offset + index
      return { from, to: from + 1, bytes: recordBytes(record), latestMs: record.timestampMs, commit }
    })
    const whole = {
      from: offset,
      to: offset + records.length,
      bytes: each.reduce((sum, { bytes }) => sum + bytes, 0),
      latestMs: Math.max(...records.map(({ timestampMs }) => timestampMs)),
      commit,
    }
    offset += records.length
    return kind === 'records' ? each : [whole]
  })
}

/** Options that often name a boundary of the elements, or the number next to it. */
function someOptions(random: Random, elements: readonly Element[]): ReadOptions {
  const near = (value: number, least: number): number => Math.max(value + random.int(3) - 1, least)
  const some = (): Element => random.pick(elements)
  const [start, end] = [some(), some()]
  const sum = elements.filter(({ from, to }) => from >= start.from && to <= end.to).reduce((all, e) => all + e.bytes, 0)
  return {
    ...(random.chance(0.5)
      ? { from: BigInt(random.chance(0.5) ? start.from : near(start.from, 0)) }
      : random.chance(0.7) && { fromTimestampMs: random.int(22) }),
    ...(random.chance(0.4) && { to: BigInt(near(some().to, 0)) }),
    ...(random.chance(0.4) && { maxRecords: near(end.to - start.from, 1) }),
    ...(random.chance(0.4) && { maxBytes: near(sum, 1) }),
  }
}

function spanOf(element: LogRecord | RecordBatch): { from: number; to: number } {
  const isBatch = element instanceof RecordBatch
  return isBatch
    ? { from: Number(element.baseOffset), to: Number(element.nextOffset) }
    : { from: Number(element.offset), to: Number(element.offset) + 1 }
}

describe.each(['records', 'batches'] as const)('%s', (kind) => {
  it.each([1, 2, 3, 4, 5, 6])('are those in the range, up to the limits, a page at a time (seed %d)', (seed) => {
    const random = new Random(seed)
    for (let round = 0; round < 80; round++) {
      const { commits, inputs } = someCommits(random)
      const elements = elementsOf(kind, inputs)
      const options = someOptions(random, elements)
      const { returned, isLimited } = expected(elements, options)
      const stream = new Commits(commits, Number(options.from ?? 0n))
      const counters = { records: 0, commits: 0, bytes: 0 }
      const of: ElementsOf<LogRecord | RecordBatch> = ELEMENTS_OF[kind]
      const selection = new Selection(checkReadOptions(options, 'readBatches'), of, counters)
      const taken: { from: number; to: number }[] = []
      for (let page = selection.take(stream); page.length > 0; page = selection.take(stream)) {
        taken.push(...page.map(spanOf))
        expect(stream.given).toBe(taken.at(-1)?.to)
        expect(page.length).toBeLessThanOrEqual(256)
      }
      expect([options, taken]).toEqual([options, returned.map(({ from, to }) => ({ from, to }))])
      const returnedCommits = [...new Set(returned.map(({ commit }) => commit))]
      expect(counters).toEqual({
        records: returned.reduce((sum, { from, to }) => sum + to - from, 0),
        commits: returnedCommits.length,
        bytes: returnedCommits.reduce((sum, commit) => sum + (commits[commit]?.frame.bytes.length ?? 0), 0),
      })
      const { from = 0, to = Infinity } = options
      const isEndSeen = commits.some(({ frame }) => endOf(frame) > from && frame.header.baseOffset >= to)
      expect(selection.isOver).toBe(isLimited || isEndSeen)
      const before = stream.taken
      expect(selection.take(stream)).toEqual([])
      expect(stream.taken - before).toBe(selection.isOver ? 0 : 1)
    }
  })
})

test('records of a commit that were found before an interruption are not returned after it', () => {
  const segment = new SegmentBytes().records(...Array<string>(600).fill(''))
  const range = checkReadOptions({}, 'readBatches')
  const selection = new Selection(range, ELEMENTS_OF.records, { records: 0, commits: 0, bytes: 0 })
  const stream = new Commits([segment.located(0)])
  expect(selection.take(stream)).toHaveLength(256)
  stream.isInterrupted = true
  expect(selection.take(stream)).toEqual([])
  stream.isInterrupted = false
  expect(selection.take(stream)).toEqual([])
  expect(selection.isOver).toBe(false)
})

test('readers of a commit in memory get the batch that they share', () => {
  const located = new SegmentBytes().records('a', 'b').located(0)
  const batch = RecordBatch.ofFrame(located.frame)
  const selection = new Selection(checkReadOptions({}, 'readBatches'), ELEMENTS_OF.batches, {
    records: 0,
    commits: 0,
    bytes: 0,
  })
  const page = selection.take(new Commits([{ ...located, batch }]))
  expect(page[0]).toBe(batch)
})

test.each<[string, 'records' | 'batches', ReadOptions, number]>([
  ['its first record is asked for', 'records', {}, 0],
  ['a later record is asked for', 'records', { from: 1n }, 0],
  ['a record by time is asked for', 'records', { fromTimestampMs: 1 }, 0],
  ['a batch by time is asked for', 'batches', { fromTimestampMs: 1 }, 0],
  ['its page is reached', 'records', {}, 256],
])('a frame that verifies and is not made of records is damage when %s', (_, kind, options, whole) => {
  const records = new SegmentBytes().records(...Array<string>(whole).fill(''))
  const sound = whole === 0 ? Buffer.alloc(0) : records.located(0).frame.body
  const segment = new SegmentBytes().frame(
    { type: FrameType.RECORDS, recordCount: whole + 2 },
    Buffer.concat([sound, Buffer.alloc(48)]),
  )
  const of: ElementsOf<LogRecord | RecordBatch> = ELEMENTS_OF[kind]
  const stream = new Commits([segment.located(0)])
  const selection = new Selection(checkReadOptions(options, 'readBatches'), of, { records: 0, commits: 0, bytes: 0 })
  if (whole > 0) expect(selection.take(stream)).toHaveLength(whole)
  const { path } = segment.located(0).segment
  const { position } = segment.at(0)
  const expectedError = {
    path,
    from: position,
    to: segment.bytes.length,
    firstOffset: 0n,
    lastOffset: BigInt(whole + 1),
  }
  let error: unknown = null
  try {
    selection.take(stream)
  } catch (caught) {
    error = caught
  }
  expect(error).toBeInstanceOf(CorruptLogError)
  expect(error).toMatchObject(expectedError)
})
