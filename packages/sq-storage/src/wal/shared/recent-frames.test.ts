import { beforeEach, describe, expect, it, vi } from 'vitest'
import { checksum, FrameType } from '../format/frame.ts'
import type { LocatedFrame } from '../segments/segment-file.ts'
import { RecentFrames, RecentMemory } from './recent-frames.ts'
import type { WrittenFrames } from './recent-frames.ts'
import { SharedLog } from './shared-log.ts'
import type { LogEnd } from './shared-log.ts'

const SEGMENT = { path: '/data/orders/0/00000000000000000000.wal', baseOffset: 0, salt: 7 }

/** A commit with this number of records and bytes. */
function commit(baseOffset: number, recordCount: number, bytes = 100): LocatedFrame {
  const whole = Buffer.alloc(bytes)
  const body = whole.subarray(40)
  const header = {
    type: FrameType.RECORDS,
    attributes: 0,
    bodyLength: body.length,
    baseOffset,
    recordCount,
    position: 1000 * baseOffset,
    durablePosition: 0,
    previousCrc: baseOffset,
    bodyCrc: checksum(body),
    headerCrc: baseOffset + recordCount,
  }
  return { segment: SEGMENT, frame: { header, body, bytes: whole } }
}

function written(located: LocatedFrame): WrittenFrames {
  return { bytes: located.frame.bytes.length, copy: () => [located] }
}

function offsets(frames: readonly LocatedFrame[]): number[] {
  return frames.map(({ frame }) => frame.header.baseOffset)
}

describe('the commits in memory', () => {
  it.each([
    [4, []],
    [5, [5, 6, 8]],
    [6, [6, 8]],
    [7, [6, 8]],
    [8, [8]],
    [9, []],
  ])('from offset %d on are those that hold it and follow without a gap, or none', (offset, found) => {
    const recent = new RecentFrames()
    for (const located of [commit(5, 1), commit(6, 2), commit(8, 1)]) recent.keep(written(located))
    expect(offsets(recent.from(offset))).toEqual(found)
  })

  it('are the same for all readers, with the same batches', () => {
    const recent = new RecentFrames()
    recent.keep(written(commit(5, 1)))
    expect(recent.from(5)).toBe(recent.from(5))
    recent.keep(written(commit(6, 1)))
    expect(offsets(recent.from(5))).toEqual([5, 6])
  })

  it('take no more than 4 MiB: the oldest are dropped', () => {
    const recent = new RecentFrames()
    for (let offset = 0; offset < 6; offset++) recent.keep(written(commit(offset, 1, 1024 * 1024)))
    expect(recent.from(1)).toEqual([])
    expect(offsets(recent.from(2))).toEqual([2, 3, 4, 5])
  })

  it('may be one of 4 MiB; a longer one is not copied', () => {
    const recent = new RecentFrames()
    const longest = commit(5, 1, 4 * 1024 * 1024)
    recent.keep(written(longest))
    expect(offsets(recent.from(5))).toEqual([5])
    const copy = vi.fn(() => [longest])
    recent.keep({ bytes: 4 * 1024 * 1024 + 1, copy })
    expect(copy).not.toHaveBeenCalled()
  })

  it.each<[string, WrittenFrames]>([
    [
      'is longer than 4 MiB and is not copied',
      { bytes: 4 * 1024 * 1024 + 1, copy: () => expect.unreachable('copied') },
    ],
    [
      'cannot be copied',
      {
        bytes: 100,
        copy: () => {
          throw new RangeError('Array buffer allocation failed')
        },
      },
    ],
  ])('end where one %s, and begin again with the next', (_, frame) => {
    const recent = new RecentFrames()
    recent.keep(written(commit(5, 1)))
    recent.keep(frame)
    expect(recent.from(5)).toEqual([])
    recent.keep(written(commit(7, 1)))
    expect(offsets(recent.from(7))).toEqual([7])
    expect(recent.from(5)).toEqual([])
  })
})

describe('the commits in memory of all logs', () => {
  const MIB = 1024 * 1024
  let memory: RecentMemory
  let logs: RecentFrames[]
  beforeEach(() => {
    memory = new RecentMemory()
    logs = Array.from({ length: 7 }, () => new RecentFrames(memory))
  })

  function keep(log: number, offset: number, mib: number): void {
    logs[log]?.keep(written(commit(offset, 1, mib * MIB)))
  }

  /** The offsets that each log has in memory. */
  function kept(): string[] {
    const all = Array.from({ length: 10 }, (_, at) => at)
    return logs.map((log) => all.filter((offset) => log.from(offset).length > 0).join(' '))
  }

  it('take at most 16 MiB: those of the log that was written longest ago are dropped', () => {
    for (let log = 0; log < 4; log++) keep(log, 0, 3)
    keep(0, 1, 1)
    keep(4, 0, 3)
    expect(kept()).toEqual(['0 1', '0', '0', '0', '0', '', ''])
    keep(5, 0, 1)
    expect(kept()).toEqual(['0 1', '', '0', '0', '0', '0', ''])
  })

  it('make room for others when they are dropped by their log', () => {
    for (let log = 0; log < 4; log++) keep(log, 0, 4)
    for (const log of [2, 3, 3]) logs[log]?.clear()
    for (const log of [4, 5]) keep(log, 0, 4)
    expect(kept()).toEqual(['0', '0', '', '', '0', '0', ''])
    keep(6, 0, 1)
    expect(kept()).toEqual(['', '0', '', '', '0', '0', '0'])
  })

  it('count no more than what a log keeps of many commits', () => {
    for (let offset = 0; offset < 10; offset++) for (let log = 0; log < 4; log++) keep(log, offset, 1)
    expect(kept()).toEqual(['6 7 8 9', '6 7 8 9', '6 7 8 9', '6 7 8 9', '', '', ''])
  })

  it('begin again with the next commit of a log whose commits were dropped', () => {
    for (let log = 0; log < 5; log++) keep(log, 0, 4)
    expect(kept()[0]).toBe('')
    keep(0, 1, 1)
    expect(kept()).toEqual(['1', '', '0', '0', '0', '', ''])
  })
})

describe('readers that a log has notified of its commits', () => {
  it.each([
    ['truncated', (log: SharedLog) => log.truncated(6)],
    ['closed', (log: SharedLog, writer: LogEnd) => log.closed(writer)],
    ['left by the last tailing reader', (log: SharedLog) => log.unfollow()],
  ])('find none of them in memory once it is %s', (_, end) => {
    const [log, writer] = [new SharedLog(), { firstOffset: 0, nextOffset: 7, indexOf: () => null }]
    log.opened(writer)
    log.follow()
    log.committed(written(commit(5, 2)))
    expect(offsets(log.recent.from(5))).toEqual([5])
    end(log, writer)
    expect(log.recent.from(5)).toEqual([])
  })
})
