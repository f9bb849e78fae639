import { beforeEach, describe, expect, it } from 'vitest'
import { ClosedError, DivergedError, OffsetOutOfRangeError, WalReader } from '../../index.ts'
import type { LogRecord, ReadOptions } from '../../index.ts'
import { append, appendEach, LogFixture } from '../../testing/log-fixture.ts'
import { quiet } from '../../testing/quiet.ts'
import { SegmentBytes } from '../../testing/segment-bytes.ts'

let log: LogFixture

beforeEach(() => {
  log = new LogFixture()
})

/** A tailing reader, and the records that it has got so far. */
class TailingReader {
  readonly seen: string[] = []
  /** Resolves with the error that ended it; null if it ended by itself. */
  readonly ended: Promise<unknown>
  readonly reader: WalReader
  #wake: () => void = () => {}

  private constructor(reader: WalReader, options: ReadOptions) {
    this.reader = reader
    this.ended = this.#run(options)
  }

  static async start(options: ReadOptions = {}): Promise<TailingReader> {
    return new TailingReader(await WalReader.open(log.fs, log.config, 'orders', 0), { follow: true, ...options })
  }

  async #run(options: ReadOptions): Promise<unknown> {
    try {
      for await (const record of this.reader.read(options)) {
        this.seen.push(text(record))
        this.#wake()
      }
      return null
    } catch (error) {
      return error
    } finally {
      this.#wake()
    }
  }

  /** Resolves when it has seen this number of records. */
  async reaches(count: number): Promise<void> {
    while (this.seen.length < count) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }
}

function text({ offset, value }: LogRecord): string {
  return `${offset} ${String(value)}`
}

describe('with a writer in its thread, a tailing reader', () => {
  it('sees the existing records, and then every record once it is durable', async () => {
    const writer = await log.open()
    await appendEach(writer, ['a', 'b'])
    const tail = await TailingReader.start()
    await tail.reaches(2)
    await append(writer, 'c')
    await tail.reaches(3)
    const hold = log.fs.faults.hold('sync', log.path(0))
    const pending = append(writer, 'd')
    await hold.reached
    await quiet()
    expect(tail.seen).toEqual(['0 a', '1 b', '2 c'])
    hold.release()
    await pending
    await tail.reaches(4)
    expect(tail.seen).toEqual(['0 a', '1 b', '2 c', '3 d'])
  })

  it('touches no file for commits made while it waits', async () => {
    const writer = await log.open()
    await append(writer, 'a')
    const tails = await Promise.all(Array.from({ length: 10 }, () => TailingReader.start()))
    await Promise.all(tails.map((tail) => tail.reaches(1)))
    await quiet()
    log.fs.operations.resetCounts()
    await appendEach(writer, ['b', 'c'])
    await Promise.all(tails.map((tail) => tail.reaches(3)))
    await quiet()
    expect([log.fs.operations.count('open'), log.fs.operations.count('read')]).toEqual([0, 0])
    expect(log.fs.openHandles).toBe(2)
  })

  it('continues across rotation, an abandoned segment, and a writer that is closed and opened again', async () => {
    log = new LogFixture({ maxSegmentBytes: 300 })
    let writer = await log.open()
    const tail = await TailingReader.start()
    const expected: string[] = []
    for (let i = 0; i < 30; i++) {
      if (i % 7 === 3) {
        log.fs.faults.failNext('sync', 'EIO')
        await expect(append(writer, 'rejected')).rejects.toThrow('EIO')
      }
      if (i % 10 === 5) await writer.closeActiveSegment()
      if (i % 11 === 8) {
        await writer.close()
        writer = await log.open()
      }
      await append(writer, `v${i}`)
      expected.push(`${i} v${i}`)
      if (i % 3 === 0) await tail.reaches(i + 1)
    }
    await tail.reaches(30)
    expect(tail.seen).toEqual(expected)
  })

  it('that has fallen behind the commits in memory continues in the files', async () => {
    const writer = await log.open()
    const reader = await WalReader.open(log.fs, log.config, 'orders', 0)
    const iteration = reader.read({ follow: true })
    await append(writer, 'a')
    expect(text((await iteration.next()).value as LogRecord)).toBe('0 a')
    const large = Buffer.alloc(1_500_000, 'x')
    await appendEach(writer, [large, large, large, large, large, 'end'])
    for (let offset = 1n; offset <= 6n; offset++) expect((await iteration.next()).value?.offset).toBe(offset)
    await iteration.return?.()
    expect(log.fs.openHandles).toBe(2)
  })

  it('of an empty log sees its first record', async () => {
    const writer = await log.open()
    const tail = await TailingReader.start({ from: 0n })
    await quiet()
    await append(writer, 'a')
    await tail.reaches(1)
    expect(tail.seen).toEqual(['0 a'])
  })

  it('from the next offset on sees only new records', async () => {
    const writer = await log.open()
    await appendEach(writer, ['a', 'b'])
    const tail = await TailingReader.start({ from: writer.nextOffset })
    await quiet()
    await append(writer, 'c')
    await tail.reaches(1)
    expect(tail.seen).toEqual(['2 c'])
  })

  it.each([
    ['after the end', 3n],
    ['far after the end', 2n ** 53n - 1n],
  ])('from %s is refused', async (_, from) => {
    const writer = await log.open()
    await appendEach(writer, ['a', 'b'])
    const tail = await TailingReader.start({ from })
    expect(await tail.ended).toBeInstanceOf(OffsetOutOfRangeError)
  })
})

describe('a tailing reader is ended', () => {
  it.each([
    ['to', { to: 3n }],
    ['maxRecords', { maxRecords: 3 }],
    ['maxBytes', { maxBytes: 3 * 25 }],
  ])('by %s, once that is reached', async (_, options) => {
    const writer = await log.open()
    await append(writer, 'a')
    const tail = await TailingReader.start(options)
    await appendEach(writer, ['b', 'c', 'd'])
    expect(await tail.ended).toBeNull()
    expect(tail.seen).toEqual(['0 a', '1 b', '2 c'])
    expect(log.fs.openHandles).toBe(2)
  })

  it.each([
    ['to', { to: 3n }],
    ['maxRecords', { maxRecords: 3 }],
    ['maxBytes', { maxBytes: 3 * 25 }],
  ])('of batches by %s, without waiting for one more commit', async (_, options) => {
    const writer = await log.open()
    await appendEach(writer, ['a', 'b', 'c'])
    const reader = await WalReader.open(log.fs, log.config, 'orders', 0)
    const seen: (bigint | 'end')[] = []
    const following = async (): Promise<void> => {
      for await (const { baseOffset } of reader.readBatches({ follow: true, ...options })) seen.push(baseOffset)
      seen.push('end')
    }
    void following()
    await quiet()
    expect(seen).toEqual([0n, 1n, 2n, 'end'])
    expect(log.fs.openHandles).toBe(2)
  })

  it('by its signal, while the reader waits and before it begins', async () => {
    const writer = await log.open()
    await append(writer, 'a')
    const abort = new AbortController()
    const tail = await TailingReader.start({ signal: abort.signal })
    await tail.reaches(1)
    await quiet()
    const reason = new Error('enough')
    abort.abort(reason)
    expect(await tail.ended).toBe(reason)
    expect(await (await TailingReader.start({ signal: abort.signal })).ended).toBe(reason)
  })

  it('together with many others by one signal, without a warning', async () => {
    await log.open()
    const warnings: Error[] = []
    const listen = (warning: Error) => warnings.push(warning)
    process.on('warning', listen)
    const abort = new AbortController()
    const tails = await Promise.all(Array.from({ length: 20 }, () => TailingReader.start({ signal: abort.signal })))
    await quiet()
    abort.abort()
    for (const { ended } of tails) expect(await ended).toBe(abort.signal.reason)
    await quiet()
    process.off('warning', listen)
    expect(warnings).toEqual([])
  })

  it('by the closing of the reader', async () => {
    const writer = await log.open()
    await append(writer, 'a')
    const tail = await TailingReader.start()
    await tail.reaches(1)
    await quiet()
    await tail.reader.close()
    expect(await tail.ended).toBeInstanceOf(ClosedError)
  })

  it('by return, also while the reader waits', async () => {
    await log.open()
    const reader = await WalReader.open(log.fs, log.config, 'orders', 0)
    const iteration = reader.read({ follow: true })
    const waiting = iteration.next()
    await quiet()
    await iteration.return?.()
    expect(await waiting).toEqual({ done: true, value: undefined })
  })
})

describe('without a writer in its thread, a tailing reader', () => {
  it('sees whole commits as they appear in the files, and nothing of one that is torn', async () => {
    const segment = new SegmentBytes().records('a').records('b').records('c')
    const torn = segment.bytes.subarray(0, segment.at(2).position - 8)
    await log.makeSegments({ baseOffset: 0, bytes: torn })
    const tail = await TailingReader.start()
    await tail.reaches(1)
    await quiet()
    expect(tail.seen).toEqual(['0 a'])
    await log.overwrite(log.path(0), segment.bytes)
    await tail.reaches(3)
    const next = new SegmentBytes({ baseOffset: 3, previous: segment.link }).records('d')
    await log.make(log.path(3), next.bytes)
    await tail.reaches(4)
    expect(tail.seen).toEqual(['0 a', '1 b', '2 c', '3 d'])
    await quiet()
    // Only the watch on the directory, no file.
    expect(log.fs.openHandles).toBe(1)
    await tail.reader.close()
    expect(await tail.ended).toBeInstanceOf(ClosedError)
    expect(log.fs.openHandles).toBe(0)
  })

  it('gets an error if the directory cannot be watched', async () => {
    await log.makeSegments(new SegmentBytes().records('a'))
    log.fs.faults.failNext('watch', 'EMFILE')
    const [one, other] = [await TailingReader.start(), await TailingReader.start()]
    const error = await Promise.race([one.ended, other.ended])
    expect(error).toMatchObject({ code: 'SQ_WAL_IO', cause: { code: 'EMFILE' } })
    await Promise.all([one.reader.close(), other.reader.close()])
    await Promise.all([one.ended, other.ended])
    expect(log.fs.openHandles).toBe(0)
  })

  it.each([
    ['before the last commit', 1, 0, 1n],
    ['inside the last commit', 1, 8, 1n],
    ['before a commit that a later one confirms', 0, 0, 0n],
  ])('gets the offset from which its records are rolled back if the file ends %s', async (_, cut, more, offset) => {
    const segment = new SegmentBytes().records('a').records('b', 'c').mark()
    await log.makeSegments(segment)
    const tail = await TailingReader.start()
    await tail.reaches(3)
    await quiet()
    await log.overwrite(log.path(0), segment.bytes.subarray(0, segment.at(cut).position + more))
    const error = await tail.ended
    expect(error).toBeInstanceOf(DivergedError)
    expect(error).toMatchObject({ offset })
  })

  it('gets the offset from which records are rolled back if no segment that it read is left', async () => {
    const first = new SegmentBytes().records('a').seal()
    const second = new SegmentBytes({ baseOffset: 1, previous: first.link }).records('b')
    await log.makeSegments(first, second)
    const tail = await TailingReader.start()
    await tail.reaches(2)
    await quiet()
    await log.fs.unlink(log.path(1))
    await log.overwrite(log.path(0), new SegmentBytes({ segmentId: 77n }).records('c').records('d', 'e', 'f').bytes)
    const error = await tail.ended
    expect(error).toBeInstanceOf(DivergedError)
    expect(error).toMatchObject({ offset: 0n })
  })

  it('continues if a segment without records is replaced', async () => {
    await log.makeSegments(new SegmentBytes())
    const tail = await TailingReader.start()
    await quiet()
    const other = new SegmentBytes({ segmentId: 77n }).records('a')
    await log.make(`${log.directory}/next.tmp`, other.bytes)
    await log.fs.rename(`${log.directory}/next.tmp`, log.path(0))
    await tail.reaches(1)
    expect(tail.seen).toEqual(['0 a'])
  })

  it.each([
    ['states an earlier end of the segment', 1],
    ['has replaced the segment', 0],
  ])('gets the offset from which its records are rolled back if a new segment %s', async (_, cut) => {
    const first = new SegmentBytes().records('a')
    const { link } = first
    await log.makeSegments(first.records('b', 'c'))
    const tail = await TailingReader.start()
    await tail.reaches(3)
    await quiet()
    const previous = cut === 0 ? null : link
    const next = new SegmentBytes({ baseOffset: cut, previous, segmentId: 77n }).records('d').records('e', 'f', 'g')
    await log.make(`${log.directory}/next.tmp`, next.bytes)
    await log.fs.rename(`${log.directory}/next.tmp`, log.path(cut))
    const error = await tail.ended
    expect(error).toBeInstanceOf(DivergedError)
    expect(error).toMatchObject({ offset: BigInt(cut) })
  })

  it('gets the first offset left if the record that it needs next was deleted', async () => {
    const first = new SegmentBytes().records('a').seal()
    const second = new SegmentBytes({ baseOffset: 1, previous: first.link }).records('b').seal()
    const third = new SegmentBytes({ baseOffset: 2, previous: second.link }).records('c')
    await log.makeSegments(first)
    const tail = await TailingReader.start()
    await tail.reaches(1)
    await quiet()
    await log.make(`${log.directory}/other`, third.bytes)
    await log.fs.unlink(log.path(0))
    await log.fs.rename(`${log.directory}/other`, log.path(2))
    const error = await tail.ended
    expect(error).toBeInstanceOf(OffsetOutOfRangeError)
    expect(error).toMatchObject({ offset: 1n, firstOffset: 2n })
  })
})
