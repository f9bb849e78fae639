/** Preallocation: where its zeros are, and that they are never taken for anything else. */
import { Random } from '@sq/sim'
import { describe, expect, test } from 'vitest'
import { dumpSegment, listSegments, verify, WalReader } from '../../index.ts'
import type { SegmentPart } from '../../index.ts'
import { inAnotherProcess } from '../../testing/another-process.ts'
import { CrashImages } from '../../testing/crash-images.ts'
import { append, appendEach, bytes, LogFixture } from '../../testing/log-fixture.ts'
import { FRAME_ALIGNMENT, FRAME_HEADER_BYTES } from '../format/frame.ts'
import { RECORD_OVERHEAD_BYTES } from '../format/record.ts'

/** Values of this length, each of a different letter. */
function values(count: number, sizeBytes = 1500): string[] {
  return Array.from({ length: count }, (_, at) => String.fromCodePoint(97 + at).repeat(sizeBytes))
}

async function fileBytes(log: LogFixture, baseOffset = 0): Promise<number> {
  return (await log.fs.stat(log.path(baseOffset))).sizeBytes
}

async function dumped(log: LogFixture): Promise<SegmentPart[]> {
  const parts: SegmentPart[] = []
  for await (const part of dumpSegment(log.fs, log.path(0))) parts.push(part)
  return parts
}

/** A log with zeros after its last commit, and the values in it; the process is dead. */
async function leaveZeros(log: LogFixture): Promise<{ kept: string[]; end: number; fileBytes: number }> {
  const writer = await log.open()
  const kept = values(4)
  await appendEach(writer, kept)
  const [segment] = await listSegments(log.fs, log.config, 'orders', 0)
  log.fs.kill()
  const end = segment?.bytes ?? 0
  const size = await fileBytes(log)
  expect(size).toBeGreaterThan(end)
  return { kept, end, fileBytes: size }
}

describe('while it writes', () => {
  test('commits that fit into the preallocation do not make the file longer', async () => {
    const log = new LogFixture()
    const writer = await log.open()
    const sizes: number[] = []
    for (const value of values(40, 200)) {
      await append(writer, value)
      sizes.push(await fileBytes(log))
    }
    expect(new Set(sizes.slice(20)).size).toBeLessThan(4)
  })

  test('the preallocation is never longer than the bytes before it, and at most 256 KiB', async () => {
    const log = new LogFixture()
    const writer = await log.open()
    let most = 0
    for (let at = 0; at < 60; at++) {
      await append(writer, Buffer.alloc(20_000, 1))
      const [segment] = await listSegments(log.fs, log.config, 'orders', 0)
      const zeros = (await fileBytes(log)) - (segment?.bytes ?? 0)
      expect(zeros).toBeLessThanOrEqual(Math.min(segment?.bytes ?? 0, 256 * 1024))
      most = Math.max(most, zeros)
    }
    expect(most).toBeGreaterThan(200_000)
  })

  test('the file stays within maxSegmentBytes', async () => {
    const log = new LogFixture({ maxSegmentBytes: 64 * 1024 })
    const writer = await log.open()
    for (const value of values(26, 2000)) {
      await append(writer, value)
      expect(await fileBytes(log)).toBeLessThanOrEqual(64 * 1024)
    }
  })

  test.each([
    [64 * 1024, 'preallocated'],
    [64 * 1024 + FRAME_ALIGNMENT, 'nothing'],
  ])('a commit of %d bytes has %s behind it', async (frameBytes, behind) => {
    const log = new LogFixture()
    const writer = await log.open()
    await append(writer, Buffer.alloc(100_000, 1))
    await append(writer, Buffer.alloc(frameBytes - FRAME_HEADER_BYTES - RECORD_OVERHEAD_BYTES, 2))
    const [segment] = await listSegments(log.fs, log.config, 'orders', 0)
    expect((await fileBytes(log)) > (segment?.bytes ?? 0)).toBe(behind === 'preallocated')
  })

  test.each(['close', 'closeActiveSegment'] as const)('after %s the file ends with its last frame', async (how) => {
    const log = new LogFixture()
    const writer = await log.open()
    await appendEach(writer, values(4))
    await writer[how]()
    const parts = await dumped(log)
    expect(parts.at(-1)?.kind).toBe(how === 'close' ? 'mark' : 'seal')
    expect(parts.at(-1)?.to).toBe(await fileBytes(log))
  })

  test.each([
    // The frame has 1568 bytes, and the preallocation follows.
    ['ENOSPC', 2000, 1568],
    ['EDQUOT', 2000, 1568],
    ['ENOSPC', 1000, 1000],
    ['EIO', 2000, 2000],
  ] as const)(
    'after %s at byte %d of a write the file keeps %d bytes of it, and the log continues',
    async (error, afterBytes, kept) => {
      const log = new LogFixture()
      const writer = await log.open()
      await appendEach(writer, values(3))
      const [before] = await listSegments(log.fs, log.config, 'orders', 0)
      log.fs.faults.add({ on: 'write', when: 'next', fault: { error, afterBytes } })
      await expect(append(writer, values(4)[3] ?? '')).rejects.toThrow(error)
      expect(await fileBytes(log)).toBe((before?.bytes ?? 0) + kept)
      expect(await append(writer, 'after')).toBe(3n)
      expect(await log.values()).toEqual([...values(3), 'after'])
    },
  )

  test('on a full disk the preallocation that a commit overwrites is kept', async () => {
    const log = new LogFixture()
    const writer = await log.open()
    await appendEach(writer, values(4))
    const before = await fileBytes(log)
    log.fs.faults.failNext('write', 'ENOSPC')
    await expect(append(writer, 'fits')).rejects.toThrow('ENOSPC')
    expect(await fileBytes(log)).toBe(before)
  })

  test('a commit that ends where the preallocation does adds none', async () => {
    const log = new LogFixture()
    const writer = await log.open()
    await appendEach(writer, values(4))
    const before = await fileBytes(log)
    const [segment] = await listSegments(log.fs, log.config, 'orders', 0)
    const frameBytes = before - (segment?.bytes ?? 0)
    await append(writer, Buffer.alloc(frameBytes - FRAME_HEADER_BYTES - RECORD_OVERHEAD_BYTES, 1))
    expect(await fileBytes(log)).toBe(before)
  })

  test('without preallocation, close truncates nothing', async () => {
    const log = new LogFixture()
    const writer = await log.open()
    await append(writer, Buffer.alloc(100_000, 1))
    await writer.close()
    expect(log.fs.operations.count('truncate')).toBe(0)
  })

  test.each(['size', 'truncate'] as const)(
    'a %s that fails while the preallocation is freed changes nothing',
    async (on) => {
      const log = new LogFixture()
      const writer = await log.open()
      await appendEach(writer, values(3))
      log.fs.faults.add({ on: 'write', when: 'next', fault: { error: 'ENOSPC', afterBytes: 2000 } })
      log.fs.faults.failNext(on, 'EIO')
      await expect(append(writer, values(4)[3] ?? '')).rejects.toThrow(/ENOSPC/)
      expect(await append(writer, 'after')).toBe(3n)
      expect(await log.values()).toEqual([...values(3), 'after'])
    },
  )

  test('a failure to truncate the preallocation rolls over like any failure', async () => {
    const log = new LogFixture()
    const writer = await log.open()
    await appendEach(writer, values(4))
    log.fs.faults.failNext('truncate', 'EIO')
    await expect(writer.closeActiveSegment()).rejects.toThrow(/truncate .*00000000000000000000\.wal/)
    await append(writer, 'behind')
    expect(await log.values()).toEqual([...values(4), 'behind'])
    expect(log.closed).toMatchObject([{ state: 'abandoned', records: 4 }])
    expect((await verify(log.fs, log.config, 'orders', 0)).problems).toEqual([])
  })
})

describe('afterwards', () => {
  test('a writer does not report the preallocated zeros as torn, and truncates them', async () => {
    const log = new LogFixture()
    const { kept } = await leaveZeros(log)
    const writer = await log.open()
    expect(writer.recovery).toMatchObject({ kind: 'clean', torn: null, nextOffset: 4n })
    await writer.close()
    expect((await dumped(log)).map(({ kind }) => kind)).not.toContain('preallocated')
    expect(await log.values()).toEqual(kept)
  })

  test('a torn tail ends where the zeros begin', async () => {
    const log = new LogFixture()
    const { end, fileBytes: size } = await leaveZeros(log)
    const file = await log.file(log.path(0))
    file.fill(7, end, end + 104)
    await log.overwrite(log.path(0), file)
    const parts = await dumped(log)
    expect(parts.slice(-2)).toMatchObject([
      { kind: 'bad', from: end, to: end + 104 },
      { kind: 'preallocated', from: end + 104, to: size },
    ])
    const { notes } = await verify(log.fs, log.config, 'orders', 0)
    expect(notes).toMatchObject([{ kind: 'torn', from: end, to: end + 104 }])
    const { recovery } = await log.open()
    expect(recovery.torn).toEqual({ path: log.path(0), position: end, discardedBytes: 104 })
  })

  test('a caller that keeps a record before the zeros keeps little other memory', async () => {
    const log = new LogFixture()
    const writer = await log.open()
    for (let at = 0; at < 450; at++) await append(writer, Buffer.alloc(300, at))
    const [segment] = await listSegments(log.fs, log.config, 'orders', 0)
    expect((await fileBytes(log)) - (segment?.bytes ?? 0)).toBeGreaterThan(20_000)
    for (const fs of [log.fs, inAnotherProcess(log.fs, new Random(1))]) {
      const reader = await WalReader.open(fs, log.config, 'orders', 0)
      for await (const { value } of reader.read({ from: 449n })) expect(value?.buffer.byteLength).toBeLessThan(65_536)
    }
  })

  test('reading, verifying and listing ignore the zeros', async () => {
    const log = new LogFixture()
    const { kept, end, fileBytes: size } = await leaveZeros(log)
    expect(await log.values()).toEqual(kept)
    expect(await listSegments(log.fs, log.config, 'orders', 0)).toMatchObject([{ bytes: end, state: 'active' }])
    expect(await verify(log.fs, log.config, 'orders', 0)).toMatchObject({ problems: [], notes: [] })
    expect((await dumped(log)).at(-1)).toMatchObject({ kind: 'preallocated', from: end, to: size })
  })

  test('acknowledged bytes that became zeros are damage if a later frame confirms them', async () => {
    const log = new LogFixture()
    const { end } = await leaveZeros(log)
    const file = await log.file(log.path(0))
    const third = (await dumped(log)).find((part) => part.kind === 'records' && part.header.baseOffset === 2)
    file.fill(0, third?.from ?? 0, third?.to ?? 0)
    await log.overwrite(log.path(0), file)
    expect(third?.to).toBeLessThan(end)
    await expect(log.open()).rejects.toMatchObject({ code: 'SQ_WAL_CORRUPT', firstOffset: 2n, lastOffset: 2n })
  })

  test('zeros after a SEAL are truncated, and the segment stays closed', async () => {
    const log = new LogFixture()
    const writer = await log.open()
    await appendEach(writer, values(2))
    await writer.closeActiveSegment()
    log.fs.kill()
    const file = await log.file(log.path(0))
    await log.overwrite(log.path(0), Buffer.concat([file, Buffer.alloc(5000)]))
    const reopened = await log.open()
    expect(reopened.recovery.kind).toBe('clean')
    await append(reopened, 'next')
    expect(await log.file(log.path(0))).toEqual(file)
    expect(await log.segmentNames()).toHaveLength(2)
    expect(await log.values()).toEqual([...values(2), 'next'])
  })

  test('an abandoned segment keeps preallocated zeros after its stated end, without a note', async () => {
    const log = new LogFixture()
    const writer = await log.open()
    await appendEach(writer, values(4))
    log.fs.faults.failNext('write', 'EIO')
    await expect(append(writer, 'fails')).rejects.toThrow()
    await append(writer, 'appended again')
    expect((await verify(log.fs, log.config, 'orders', 0)).notes).toEqual([])
    expect(await log.values()).toEqual([...values(4), 'appended again'])
  })
})

test('every power cut while the zeros are written and overwritten leaves what was acknowledged', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  const all = values(9, 900)
  const acknowledged: string[] = []
  let images = 0
  for (const [at, value] of all.entries()) {
    const moment = new CrashImages()
    const stop = moment.collect(log.fs)
    if (at === 6) await writer.closeActiveSegment()
    await append(writer, value)
    stop()
    for (const crashed of moment.logs()) {
      images++
      const reopened = await crashed.open()
      const found = await crashed.values()
      expect([...acknowledged, value]).toEqual(expect.arrayContaining(found))
      expect(found.slice(0, acknowledged.length)).toEqual(acknowledged)
      await append(reopened, 'afterwards')
      expect(await crashed.values()).toEqual([...found, 'afterwards'])
    }
    acknowledged.push(value)
  }
  expect(images).toBeGreaterThan(50)
  await writer.close()
})

test('a tailing reader in another process gets each commit as it overwrites the zeros', async () => {
  const log = new LogFixture()
  const writer = await log.open()
  await append(writer, 'first')
  const otherProcess = inAnotherProcess(log.fs, new Random(1))
  const reader = await WalReader.open(otherProcess, log.config, 'orders', 0)
  const records = reader.read({ from: 0n, follow: true })
  const all = ['first', ...values(20, 700)]
  for (const [at, value] of all.entries()) {
    if (at > 0) await append(writer, value)
    const { value: record } = await records.next()
    expect(Buffer.from(record?.value ?? []).equals(bytes(value))).toBe(true)
  }
  await records.return?.()
  await writer.close()
})
