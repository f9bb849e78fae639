import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { RecordInput, WalWriter } from '../../index.ts'
import { LogFixture } from '../../testing/log-fixture.ts'

const NOW = 1_000_000

let log: LogFixture
let writer: WalWriter

async function open(maxTimestampAheadMs: number | undefined): Promise<void> {
  log = new LogFixture({ maxTimestampAheadMs })
  log.clock.setNow(NOW)
  writer = await log.open()
}

function stamped(timestampMs: number): RecordInput {
  return { key: null, value: Buffer.from(String(timestampMs)), headers: [], timestampMs }
}

describe('with maxTimestampAheadMs', () => {
  beforeEach(() => open(500))

  it('accepts a record at the limit ahead of the clock, and refuses one further ahead', async () => {
    expect(await writer.append(null, Buffer.alloc(0), [], NOW + 500)).toBe(0n)
    const refused = await writer.append(null, Buffer.alloc(0), [], NOW + 501).catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(RangeError)
    expect(refused).toMatchObject({
      code: 'SQ_WAL_BAD_RECORD',
      index: 0,
      field: 'timestampMs',
      message: 'timestampMs must be at most 1000500, maxTimestampAheadMs (500) after the clock: 1000501',
    })
    log.clock.advance(1)
    expect(await writer.append(null, Buffer.alloc(0), [], NOW + 501)).toBe(1n)
    expect(await writer.append(null, Buffer.alloc(0), [], 0)).toBe(2n)
  })

  it('names the record of a batch or a source, and appends nothing of the batch', async () => {
    const records = [stamped(NOW), stamped(NOW + 501), stamped(NOW)]
    const bad = { code: 'SQ_WAL_BAD_RECORD', index: 1, field: 'timestampMs' }
    await expect(writer.appendBatch(records)).rejects.toMatchObject({
      ...bad,
      message: expect.stringContaining('record 1 of the batch: '),
    })
    await expect(writer.appendAll(records)).rejects.toMatchObject({ records: 1, cause: bad })
    expect(await log.values()).toEqual([String(NOW)])
  })

  it('uses the clock at the time of the append', async () => {
    log.clock.setNow(0)
    await expect(writer.appendBatch([stamped(501)])).rejects.toThrow('timestampMs must be at most 500')
    log.clock.setNow(NaN)
    await expect(writer.appendBatch([stamped(501)])).rejects.toThrow('timestampMs must be at most 500')
    log.clock.setNow(1)
    expect(await writer.appendBatch([stamped(501)])).toBe(0n)
  })
})

describe.each([undefined, Infinity])('with %s', (limit) => {
  it('accepts any timestamp', async () => {
    await open(limit)
    expect(await writer.append(null, Buffer.alloc(0), [], Number.MAX_SAFE_INTEGER)).toBe(0n)
  })

  it('appends without reading the wall clock', async () => {
    await open(limit)
    await writer.append(null, Buffer.alloc(0), [], 0)
    const asked = vi.spyOn(log.clock, 'now')
    await writer.append(null, Buffer.alloc(0), [], 0)
    expect(asked).not.toHaveBeenCalled()
  })
})
