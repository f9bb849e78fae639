import { ManualClock, Random } from '@sq/sim'
import { InMemoryFileSystem } from '@sq/sim/memory'
import type { CrashImage, Operation } from '@sq/sim/memory'
import { beforeEach, describe, expect, it, test } from 'vitest'
import { listPartitions, verify, WalReader, WalWriter } from '../../index.ts'
import { append, appendEach, bytes, LogFixture, numbered } from '../../testing/log-fixture.ts'

const BACKUP = '/backup'

let log: LogFixture

beforeEach(() => {
  log = new LogFixture({ maxSegmentBytes: 700 })
})

/** The log in a data directory. */
function copy(dataDir: string = BACKUP, fs: InMemoryFileSystem = log.fs): LogFixture {
  const copied = new LogFixture({ ...log.config, dataDir }, fs)
  return Object.assign(copied, { directory: `${dataDir}/orders/0` })
}

/** The values of a log in which nothing is damaged. */
async function soundValues(copied: LogFixture): Promise<string[]> {
  expect((await verify(copied.fs, copied.config, 'orders', 0)).problems).toEqual([])
  return copied.values()
}

function linksOf(path: string): Promise<number> {
  return log.fs.stat(path).then(({ links }) => links)
}

describe('checkpoint', () => {
  it('makes an independent log, which can be read, verified and appended to, as the first one can', async () => {
    const writer = await log.open()
    await appendEach(writer, numbered(30))
    expect(await writer.checkpoint(BACKUP)).toBe(30n)
    await append(writer, 'only here')
    const copied = copy()
    expect(await listPartitions(log.fs, copied.config)).toEqual([{ topic: 'orders', partition: 0 }])
    expect(await soundValues(copied)).toEqual(numbered(30))
    const second = await copied.open()
    expect(second.recovery.kind).toBe('clean')
    await appendEach(second, ['only there', 'too'])
    await second.close()
    await writer.close()
    expect(await soundValues(copied)).toEqual([...numbered(30), 'only there', 'too'])
    expect(await soundValues(log)).toEqual([...numbered(30), 'only here'])
    expect(log.fs.openHandles).toBe(0)
  })

  it('links ended segments, copies the last one, and leaves nothing else behind', async () => {
    const writer = await log.open()
    await appendEach(writer, numbered(30))
    await writer.checkpoint(BACKUP)
    const names = await log.segmentNames()
    expect(names.length).toBeGreaterThan(2)
    expect(await copy().segmentNames()).toEqual(names)
    const links = await Promise.all(names.map((name) => linksOf(`${BACKUP}/orders/0/${name}`)))
    expect(links).toEqual([...names.slice(1).map(() => 2), 1])
    expect([await log.fs.readdir('/data/orders'), await log.fs.readdir(`${BACKUP}/orders`)]).toEqual([['0'], ['0']])
    await writer.close()
  })

  it('copies the last segment of a log whose segments are all sealed, because a writer of the copy writes there', async () => {
    const writer = await log.open()
    await append(writer, 'a')
    await writer.closeActiveSegment()
    await writer.checkpoint(BACKUP)
    expect(await linksOf(log.path(0))).toBe(1)
    expect(await soundValues(copy())).toEqual(['a'])
    await writer.close()
  })

  it('of a log without records is a log without records', async () => {
    const writer = await log.open()
    expect(await writer.checkpoint(BACKUP)).toBe(0n)
    expect(await soundValues(copy())).toEqual([])
    await writer.close()
  })

  it('holds what was acknowledged, and nothing of a commit that was rejected', async () => {
    const writer = await log.open()
    await append(writer, 'a')
    log.fs.faults.failNext('sync', 'EIO')
    await expect(append(writer, 'rejected')).rejects.toThrow()
    expect(await writer.checkpoint(BACKUP)).toBe(1n)
    await append(writer, 'b')
    expect(await soundValues(copy())).toEqual(['a'])
    await using second = await copy().open()
    expect(second.nextOffset).toBe(1n)
    expect(await writer.checkpoint('/second')).toBe(2n)
    expect(await soundValues(copy('/second'))).toEqual(['a', 'b'])
    await writer.close()
  })

  it('leaves out a segment whose creation failed after its rename', async () => {
    const writer = await log.open()
    await append(writer, 'a')
    await writer.closeActiveSegment()
    log.fs.faults.failNext('syncDirectory', 'EIO', log.directory)
    log.fs.faults.add({ on: 'syncDirectory', path: log.directory, when: { nth: 2 }, fault: { error: 'EIO' } })
    await expect(append(writer, 'b')).rejects.toThrow()
    await expect(append(writer, 'b')).rejects.toThrow()
    log.fs.faults.clear()
    expect(await writer.checkpoint(BACKUP)).toBe(1n)
    expect(await soundValues(copy())).toEqual(['a'])
    await writer.close()
  })

  it('of an empty log leaves out a first segment whose creation failed after its rename', async () => {
    const writer = await log.open()
    log.fs.faults.failNext('syncDirectory', 'EIO', log.directory)
    await expect(append(writer, 'a')).rejects.toThrow('EIO')
    expect(await log.segmentNames()).toHaveLength(1)
    expect(await writer.checkpoint(BACKUP)).toBe(0n)
    expect(await soundValues(copy())).toEqual([])
    await writer.close()
  })

  it.each(['EXDEV', 'EMLINK', 'EPERM'])('copies ended segments if they cannot be linked there (%s)', async (code) => {
    const writer = await log.open()
    await appendEach(writer, numbered(30))
    log.fs.faults.failAlways('link', code, (path) => path.startsWith(BACKUP))
    await writer.checkpoint(BACKUP)
    for (const name of await log.segmentNames()) expect(await linksOf(`${log.directory}/${name}`)).toBe(1)
    log.fs.crash()
    expect(await soundValues(copy())).toEqual(numbered(30))
  })

  it.each(['EIO', 'ENOSPC'])(
    'rejects if a link fails for a different reason (%s), and leaves nothing',
    async (code) => {
      const writer = await log.open()
      await appendEach(writer, numbered(30))
      log.fs.faults.failAlways('link', code, (path) => path.startsWith(BACKUP))
      await expect(writer.checkpoint(BACKUP)).rejects.toMatchObject({ code: 'SQ_WAL_IO', cause: { code } })
      expect(await log.fs.readdir(`${BACKUP}/orders`)).toEqual([])
      await writer.close()
    },
  )

  it('refuses a directory that exists, and changes nothing', async () => {
    const writer = await log.open()
    await appendEach(writer, ['a', 'b'])
    await log.fs.mkdir(`${BACKUP}/orders/0`)
    for (const dataDir of [BACKUP, '/data']) {
      const expected = { code: 'SQ_WAL_IO', path: `${dataDir}/orders/0`, cause: { code: 'EEXIST' } }
      await expect(writer.checkpoint(dataDir)).rejects.toMatchObject(expected)
    }
    expect(await log.fs.readdir(`${BACKUP}/orders/0`)).toEqual([])
    expect(await log.values()).toEqual(['a', 'b'])
    await writer.close()
  })

  it('of another partition may be in the same data directory', async () => {
    const writer = await log.open()
    await using other = await WalWriter.open(log.fs, log.config, 'orders', 1)
    await Promise.all([writer.checkpoint(BACKUP), other.checkpoint(BACKUP)])
    expect(await listPartitions(log.fs, copy().config)).toHaveLength(2)
    await writer.close()
  })

  it('refuses a bad data directory, and a closed writer', async () => {
    const writer = await log.open()
    await expect(writer.checkpoint('')).rejects.toThrow(RangeError)
    await expect(writer.checkpoint(JSON.parse('7'))).rejects.toThrow(TypeError)
    await writer.close()
    await expect(writer.checkpoint(BACKUP)).rejects.toMatchObject({ code: 'SQ_WAL_CLOSED' })
    expect((await log.fs.readdir('/')).toSorted()).toEqual(['data'])
  })

  it('does not block appends, retention and truncation while it copies, and holds what the log held at the call', async () => {
    const writer = await log.open()
    await appendEach(writer, numbered(30))
    const hold = log.fs.faults.hold('create', (path) => path.startsWith(BACKUP) && path.endsWith('.wal'))
    const made = writer.checkpoint(BACKUP)
    await hold.reached
    await append(writer, 'later')
    await writer.truncate(25n)
    await writer.truncate(20n)
    await writer.deleteSegments({ belowOffset: 10n })
    await append(writer, 'instead')
    hold.release()
    expect(await made).toBe(30n)
    expect(await soundValues(copy())).toEqual(numbered(30))
    expect(await soundValues(log)).toEqual([...numbered(20).slice(-(await log.values()).length + 1), 'instead'])
    await writer.close()
  })

  it('runs after earlier checkpoints, and before the writer is closed', async () => {
    const writer = await log.open()
    await append(writer, 'a')
    const [first, second] = [writer.checkpoint(BACKUP), writer.checkpoint('/second')]
    await writer.close()
    expect([await first, await second]).toEqual([1n, 1n])
    expect(log.fs.openHandles).toBe(0)
    expect(await soundValues(copy('/second'))).toEqual(['a'])
  })

  it('rejects if the log has lost its lock', async () => {
    const writer = await log.open()
    await append(writer, 'a')
    await log.fs.rename('/data/orders/0', '/data/orders/moved')
    await expect(writer.checkpoint(BACKUP)).rejects.toMatchObject({ code: 'SQ_WAL_LOCK_LOST' })
    expect(await log.fs.readdir(`${BACKUP}/orders`)).toEqual([])
    await writer.close().catch(() => {})
  })
})

describe('a segment that is linked', () => {
  test.each([
    ['the log', () => log, () => copy()],
    ['the copy', () => copy(), () => log],
  ])('is unchanged in the other log when %s is truncated, twice, and reopened', async (_, truncated, other) => {
    const writer = await log.open()
    await appendEach(writer, ['a', 'b', 'c'])
    // An abandoned segment: its ignored tail goes before its successor does.
    log.fs.faults.failNext('sync', 'EIO')
    await expect(append(writer, 'rejected')).rejects.toThrow()
    await appendEach(writer, ['d', 'e'])
    await writer.checkpoint(BACKUP)
    await writer.close()
    const kept = await soundValues(other())
    const files = await other().files()
    const subject = truncated()
    for (const offset of [4n, 3n, 2n, 1n]) {
      const again = await subject.open()
      await again.truncate(offset)
      await append(again, `after ${offset}`)
      await again.close()
      expect(await soundValues(other())).toEqual(kept)
      expect(await other().files()).toEqual(files)
    }
    expect(await soundValues(subject)).toEqual(['a', 'after 1'])
  })
})

/** What is left of a log and of its checkpoint. */
async function checkImage(image: CrashImage, before: readonly string[], dataDir: string): Promise<boolean> {
  const fs = new InMemoryFileSystem({ image })
  const source = copy('/data', fs)
  const writer = await source.open()
  await writer.close()
  expect(await soundValues(source)).toEqual(before)
  expect(await fs.readdir('/data/orders')).toEqual(['0'])
  const listed = await listPartitions(fs, { dataDir }).catch(() => [])
  if (listed.length > 0) {
    await (await copy(dataDir, fs).open()).close()
    expect(await soundValues(copy(dataDir, fs))).toEqual(before)
  }
  return listed.length > 0
}

describe('checkpoint that is interrupted', () => {
  test.each([false, true])('by a power cut leaves a whole copy or none (copied: %s)', async (isCopied) => {
    const writer = await log.open()
    await appendEach(writer, numbered(20))
    if (isCopied) log.fs.faults.failAlways('link', 'EXDEV', (path) => path.startsWith(BACKUP))
    const random = new Random(7)
    const images = new Map<string, CrashImage>()
    const stop = log.fs.operations.observe(({ phase }) => {
      if (phase === 'start') return
      const state = log.fs.crashState()
      for (const choice of [{ picks: [] }, ...Array.from({ length: 4 }, () => state.randomChoice(random))]) {
        const image = state.image(choice)
        images.set(image.digest(), image)
      }
    })
    await writer.checkpoint(BACKUP)
    stop()
    const found = new Set<boolean>()
    for (const image of images.values()) found.add(await checkImage(image, numbered(20), BACKUP))
    expect(found).toEqual(new Set([false, true]))
    log.fs.crash()
    expect(await soundValues(copy())).toEqual(numbered(20))
  })

  test('by a failure of any operation leaves a whole copy or none, and the next one succeeds', async () => {
    const operations: Operation[] = ['open', 'create', 'read', 'write', 'sync', 'mkdir', 'readdir', 'stat', 'unlink']
    operations.push('rmdir', 'link', 'rename', 'syncDirectory', 'lock')
    for (let nth = 1, hits = 1; hits > 0; nth++) {
      log = new LogFixture({ maxSegmentBytes: 700 })
      const writer = await log.open()
      await appendEach(writer, numbered(20))
      const rule = log.fs.faults.add({ on: operations, when: { nth }, fault: { error: 'EIO' } })
      const failure: unknown = await writer.checkpoint(BACKUP).then(
        () => null,
        (error: unknown) => error,
      )
      hits = rule.hits
      log.fs.faults.clear()
      const image = log.fs.crashState().image({ picks: [] })
      const isThere = await checkImage(image, numbered(20), BACKUP)
      if (failure === null) expect(isThere).toBe(true)
      await append(writer, 'more')
      const next =
        (
          await copy()
            .fs.readdir(BACKUP)
            .catch(() => [])
        ).length > 0 && isThere
          ? '/second'
          : BACKUP
      const made = await writer.checkpoint(next).catch(() => writer.checkpoint('/third'))
      expect(made).toBe(21n)
      await writer.close()
      expect(log.fs.openHandles).toBe(0)
    }
  })
})

describe('checkpoints of a log to which anything happens', () => {
  test.each(Array.from({ length: 60 }, (_, seed) => seed))(
    'hold what the log held at the call (seed %d)',
    async (seed) => {
      const random = new Random(seed)
      const clock = new ManualClock()
      log = new LogFixture({ maxSegmentBytes: 500 })
      const open = (): Promise<WalWriter> =>
        WalWriter.open(log.fs, log.config, 'orders', 0, { clock, random: new Random(seed) })
      let writer = await open()
      const expected = new Map<string, string[]>()
      const making: Promise<unknown>[] = []
      for (let step = 0; step < 40; step++) {
        const act = random.int(9)
        const from = (await log.records())[0]?.offset ?? writer.nextOffset
        if (act <= 2) await append(writer, `${seed} ${step}`.repeat(1 + random.int(8)))
        else if (act === 3) await writer.closeActiveSegment()
        else if (act === 4) await writer.truncate(from + BigInt(random.int(1 + Number(writer.nextOffset - from))))
        else if (act === 5) await writer.deleteSegments({ maxTotalBytes: 1500 })
        else if (act === 6) {
          log.fs.faults.failNext('sync', 'EIO')
          await append(writer, 'rejected').catch(() => {})
          log.fs.faults.clear()
        } else if (act === 7) {
          await Promise.all(making.splice(0))
          await writer.close()
          writer = await open()
        } else {
          const dataDir = `/copy-${step}`
          const code = random.chance(0.3) ? 'EXDEV' : null
          if (code !== null) log.fs.faults.failAlways('link', code, (path) => path.startsWith(dataDir))
          expected.set(dataDir, await log.values())
          const isAwaited = random.chance(0.5)
          log.fs.faults.add({ on: 'read', when: { nth: 1 }, fault: { turns: 50 } })
          const made = writer.checkpoint(dataDir)
          making.push(made)
          if (isAwaited) await made
          // The turn of the writer, in which the copy is what the log is.
          else for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
        }
      }
      await Promise.all(making)
      await writer.close()
      for (const [dataDir, values] of expected) expect(await soundValues(copy(dataDir))).toEqual(values)
      log.fs.crash()
      for (const [dataDir, values] of expected) {
        const copied = copy(dataDir)
        const reader = await WalReader.open(log.fs, copied.config, 'orders', 0)
        expect(await reader.read().next()).toMatchObject({ done: values.length === 0 })
        await using second = await copied.open()
        await append(second, 'more')
        expect(await soundValues(copied)).toEqual([...values, 'more'])
      }
      expect(await log.file(`${log.directory}/lock`)).toEqual(bytes(''))
    },
  )
})
