import { Random } from '@sq/sim'
import type { InMemoryFileSystem } from '@sq/sim/memory'
import { beforeEach, describe, expect, it } from 'vitest'
import { flipped, joined } from '../../testing/hand-bytes.ts'
import { append, appendEach, LogFixture } from '../../testing/log-fixture.ts'
import { SegmentBytes } from '../../testing/segment-bytes.ts'

let log: LogFixture

beforeEach(() => {
  log = new LogFixture()
})

/**
 * Opens a log in a copy of a file system, and ends the process, by `end`, at the n-th event. False if there is none.
 */
async function openUntil(copy: LogFixture, nth: number, end: (fs: InMemoryFileSystem) => void): Promise<boolean> {
  let events = 0
  const stop = copy.fs.operations.observe(() => {
    events++
    if (events === nth) end(copy.fs)
    // A dead process does nothing more.
    if (events >= nth) throw new Error('the process is gone')
  })
  await copy.open().catch(() => {})
  stop()
  return events >= nth
}

/** Leaves a log with a commit whose bytes are written but not synced. */
async function leaveUnsynced(fixture: LogFixture, value: string): Promise<void> {
  const writer = await fixture.open()
  await appendEach(writer, ['a', 'b'])
  const hold = fixture.fs.faults.hold('sync', fixture.path(0))
  append(writer, value).catch(() => {})
  await hold.reached
}

const three = new SegmentBytes().records('a').records('b').records('c')
const sealed = new SegmentBytes().records('a').records('b').seal()
const last = new SegmentBytes({ baseOffset: 2, previous: sealed.link }).records('c')

const LOGS: [string, (fixture: LogFixture) => Promise<void>, string[]][] = [
  ['an empty directory', (fixture) => fixture.makeSegments(), []],
  ['a whole log', (fixture) => fixture.makeSegments(three), ['a', 'b', 'c']],
  [
    'a torn one',
    (fixture) => fixture.makeSegments({ baseOffset: 0, bytes: joined(three.bytes, Buffer.alloc(9000, 1)) }),
    ['a', 'b', 'c'],
  ],
  ['one of several segments', (fixture) => fixture.makeSegments(sealed, last), ['a', 'b', 'c']],
  [
    'a damaged SEAL',
    (fixture) => fixture.makeSegments({ baseOffset: 0, bytes: flipped(sealed.bytes, 8 * sealed.bytes.length - 100) }),
    ['a', 'b'],
  ],
  [
    'a segment half made',
    async (fixture) => {
      await fixture.makeSegments(three)
      await fixture.make(`${fixture.directory}/next.tmp`, three.bytes.subarray(0, 40))
    },
    ['a', 'b', 'c'],
  ],
]

describe('recovery of', () => {
  it.each(LOGS)('%s, when repeated, gives the same bytes', async (_, make) => {
    await make(log)
    await log.open()
    const files = await log.files()
    for (let round = 0; round < 3; round++) {
      log.fs.kill()
      await log.open()
      expect(await log.files()).toEqual(files)
      log.fs.crash()
      expect(await log.files()).toEqual(files)
    }
  })

  const ends: [string, (seed: number) => (fs: InMemoryFileSystem) => void][] = [
    ['killed', () => (fs) => fs.kill()],
    ['cut off from power', () => (fs) => fs.crash()],
    [
      'cut off from power with anything left of what was not synced',
      (seed) => (fs) => fs.crash({ random: new Random(seed) }),
    ],
  ]
  const cases = LOGS.flatMap(([name, make, values]) => ends.map(([how, end]) => ({ name, make, values, how, end })))
  it.each(cases)(
    '$name, $how before and after each operation, gives the same records',
    async ({ make, values, end }) => {
      await make(log)
      let nth = 1
      for (; ; nth++) {
        const copy = new LogFixture({}, log.fs.clone())
        const wasCut = await openUntil(copy, nth, end(nth))
        if (!wasCut) break
        const writer = await copy.open()
        expect(await copy.values()).toEqual(values)
        expect(await append(writer, 'next')).toBe(BigInt(values.length))
        await writer.close()
        expect(await copy.values()).toEqual([...values, 'next'])
      }
      expect(nth).toBeGreaterThan(10)
    },
  )

  it('an unsynced commit, interrupted and repeated, exposes it always or never', async () => {
    await leaveUnsynced(log, 'c')
    log.fs.kill()
    const seen = new Set<string>()
    for (let nth = 1; ; nth++) {
      const copy = new LogFixture({}, log.fs.clone())
      if (!(await openUntil(copy, nth, (fs) => fs.crash({ random: new Random(nth) })))) break
      await copy.open()
      const values = await copy.values()
      seen.add(values.join())
      copy.fs.crash()
      await copy.open()
      expect(await copy.values()).toEqual(values)
    }
    expect(seen).toEqual(new Set(['a,b', 'a,b,c']))
  })
})

describe('a commit that was written and not synced', () => {
  it('is there after a kill, and durable before any reader sees it', async () => {
    await leaveUnsynced(log, 'c')
    log.fs.kill()
    const writer = await log.open()
    expect(writer.recovery).toMatchObject({ kind: 'clean', nextOffset: 3n })
    log.fs.crash()
    expect(await log.values()).toEqual(['a', 'b', 'c'])
  })

  it('is gone after a crash that kept nothing of it', async () => {
    await leaveUnsynced(log, 'c')
    log.fs.crash()
    expect((await log.open()).recovery).toMatchObject({ kind: 'clean', nextOffset: 2n })
    expect(await log.values()).toEqual(['a', 'b'])
  })

  it('is recovered as a whole or not at all, whatever a crash left of it', async () => {
    await leaveUnsynced(log, 'c'.repeat(3000))
    const seen = new Set<string>()
    for (let seed = 0; seed < 200; seed++) {
      const copy = new LogFixture({}, log.fs.clone())
      copy.fs.crash({ random: new Random(seed) })
      const { kind } = (await copy.open()).recovery
      const values = await copy.values()
      expect([
        ['a', 'b'],
        ['a', 'b', 'c'.repeat(3000)],
      ]).toContainEqual(values)
      seen.add(`${kind} ${values.length}`)
    }
    expect([...seen].toSorted()).toEqual(['clean 2', 'clean 3', 'torn 2'])
  })

  it('is there after a failed sync and a kill, and is not lost by a later eviction', async () => {
    const writer = await log.open()
    await appendEach(writer, ['a', 'b'])
    log.fs.faults.failNext('sync', 'EIO')
    await expect(append(writer, 'rejected')).rejects.toThrow('is not durable')
    log.fs.kill()
    const reopened = await log.open()
    expect(reopened.nextOffset).toBe(3n)
    log.fs.evict()
    expect(await log.values()).toEqual(['a', 'b', 'rejected'])
    log.fs.crash()
    await log.open()
    expect(await log.values()).toEqual(['a', 'b', 'rejected'])
  })
})

describe('before open resolves', () => {
  it('the directory is synced, then the last commit written again and synced, then the MARKs', async () => {
    await log.makeSegments(three)
    const { position } = three.at(-1)
    const end = three.bytes.length
    const trace = log.fs.operations.trace()
    await log.open()
    const changes = trace.lines.filter((line) => /^(write|sync|truncate|unlink|syncDirectory) /.test(line))
    const path = log.path(0)
    expect(changes).toEqual([
      "syncDirectory '/data/orders'",
      "syncDirectory '/data'",
      "syncDirectory '/'",
      `syncDirectory '${log.directory}'`,
      expect.stringMatching(/^unlink .*next\.tmp': ENOENT/),
      `write '${path}' ${position}+${end - position}`,
      `sync '${path}'`,
      `write '${path}' ${end}+${4096 + 40 - end}`,
      `sync '${path}'`,
    ])
  })

  it('nothing is cut if something is in the way of the next segment', async () => {
    await log.makeSegments({ baseOffset: 0, bytes: joined(three.bytes, Buffer.alloc(100, 1)) })
    await log.fs.mkdir(`${log.directory}/next.tmp`)
    const before = await log.file(log.path(0))
    await expect(log.open()).rejects.toMatchObject({ code: 'SQ_WAL_IO', path: `${log.directory}/next.tmp` })
    expect((await log.file(log.path(0))).equals(before)).toBe(true)
  })

  it('the cut is synced before anything is written', async () => {
    await log.makeSegments({ baseOffset: 0, bytes: joined(three.bytes, Buffer.alloc(100, 1)) })
    const trace = log.fs.operations.trace()
    await log.open()
    const changes = trace.lines.filter((line) => /^(write|sync|truncate) /.test(line)).map((line) => line.split(' ')[0])
    expect(changes).toEqual(['truncate', 'sync', 'write', 'sync', 'write', 'sync'])
  })

  it.each([
    ['the sync of the truncation', 'sync', 1],
    ['the write of the last commit', 'write', 1],
    ['the sync of the last commit', 'sync', 2],
    ['the truncation', 'truncate', 1],
    ['the directory sync', 'syncDirectory', 4],
  ] as const)('open rejects if %s fails, and a later open gives the same result', async (_, on, nth) => {
    await log.makeSegments({ baseOffset: 0, bytes: joined(three.bytes, Buffer.alloc(100, 1)) })
    const rule = log.fs.faults.add({ on, when: { nth }, fault: { error: 'EIO' } })
    await expect(log.open()).rejects.toMatchObject({ code: 'SQ_WAL_IO', cause: { code: 'EIO' } })
    expect([rule.hits, log.fs.openHandles]).toEqual([1, 0])
    await log.open()
    expect(await log.values()).toEqual(['a', 'b', 'c'])
  })

  it('the MARKs need not succeed: the next append rolls over to a new segment', async () => {
    await log.makeSegments(three)
    log.fs.faults.add({ on: 'write', when: { nth: 2 }, fault: { error: 'ENOSPC', afterBytes: 50 } })
    const writer = await log.open()
    expect(writer.recovery).toMatchObject({ kind: 'clean', nextOffset: 3n })
    expect(await append(writer, 'd')).toBe(3n)
    await writer.close()
    expect(await log.segmentNames()).toHaveLength(2)
    expect(log.closed).toMatchObject([
      { baseOffset: 0n, lastOffset: 2n, bytes: three.bytes.length, state: 'abandoned' },
    ])
    expect(await log.values()).toEqual(['a', 'b', 'c', 'd'])
    expect((await log.open()).recovery).toMatchObject({ kind: 'clean', nextOffset: 4n, segments: 2 })
  })

  it('a half-created segment is removed, but only after all checks have passed', async () => {
    const unfinished = `${log.directory}/next.tmp`
    await log.makeSegments(sealed, { baseOffset: 2, bytes: Buffer.alloc(0) })
    await log.make(unfinished, Buffer.from('half'))
    await expect(log.open()).rejects.toMatchObject({ code: 'SQ_WAL_CORRUPT' })
    expect(await log.file(unfinished)).toEqual(Buffer.from('half'))
    await log.overwrite(log.path(2), last.bytes)
    await log.open()
    await expect(log.fs.stat(unfinished)).rejects.toMatchObject({ code: 'ENOENT' })
  })
})
