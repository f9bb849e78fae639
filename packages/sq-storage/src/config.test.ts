import { describe, expect, it } from 'vitest'
import { resolveConfig, show } from './config.ts'
import type { WalConfig } from './config.ts'

const KIB = 1024
const MIB = 1024 * KIB
const GIB = 1024 * MIB

/** A config as a caller in JavaScript may pass it. */
function given(options: Record<string, unknown>): WalConfig {
  return { dataDir: '/data', ...options }
}

describe('resolveConfig', () => {
  it('fills in the defaults', () => {
    expect(resolveConfig({ dataDir: '/data' })).toEqual({
      dataDir: '/data',
      maxSegmentBytes: 64 * MIB,
      maxSegmentAgeMs: 86_400_000,
      maxRecordBytes: 16 * MIB,
      maxBatchBytes: 32 * MIB,
      maxCommitBytes: 8 * MIB,
      maxPendingBytes: 64 * MIB,
      maxTimestampAheadMs: Infinity,
    })
  })

  it.each([
    ['maxSegmentBytes', 2 * GIB],
    ['maxSegmentAgeMs', Number.MAX_SAFE_INTEGER],
    ['maxBatchBytes', GIB],
    ['maxCommitBytes', GIB],
    ['maxPendingBytes', 4 * GIB],
  ])('accepts %s from 1 to its limit, and nothing beyond', (option, limit) => {
    const others = option === 'maxBatchBytes' ? { maxRecordBytes: 1 } : {}
    for (const value of [1, limit])
      expect(resolveConfig(given({ ...others, [option]: value }))).toMatchObject({ [option]: value })
    for (const value of [limit + 1, 0, -1, 1.5, Number.NaN, -Infinity]) {
      expect(() => resolveConfig(given({ ...others, [option]: value }))).toThrow(
        new RangeError(`${option} must be a whole number from 1 to ${limit}: ${value}`),
      )
    }
  })

  it.each([
    'maxSegmentBytes',
    'maxSegmentAgeMs',
    'maxRecordBytes',
    'maxBatchBytes',
    'maxCommitBytes',
    'maxPendingBytes',
    'maxTimestampAheadMs',
  ])('accepts a number for %s, and nothing else', (option) => {
    for (const [value, shown] of [
      ['1', '"1"'],
      [1n, '1n'],
      [null, 'null'],
      [true, 'true'],
      [{}, 'an object (Object)'],
    ] as const) {
      const expected = new TypeError(`${option} must be a number, not ${shown}`)
      expect(() => resolveConfig(given({ [option]: value }))).toThrow(expected)
    }
  })

  it('treats an undefined option as not given', () => {
    expect(resolveConfig(given({ maxSegmentBytes: undefined }))).toEqual(resolveConfig({ dataDir: '/data' }))
  })

  it('accepts 0 and Infinity as the limit of timestamps ahead of the clock', () => {
    for (const value of [0, Number.MAX_SAFE_INTEGER, Infinity]) {
      expect(resolveConfig(given({ maxTimestampAheadMs: value }))).toMatchObject({ maxTimestampAheadMs: value })
    }
    for (const value of [-1, 0.5, Number.NaN, -Infinity, 2 ** 53]) {
      expect(() => resolveConfig(given({ maxTimestampAheadMs: value }))).toThrow(
        new RangeError(`maxTimestampAheadMs must be a whole number from 0 to ${Number.MAX_SAFE_INTEGER}: ${value}`),
      )
    }
  })

  it('allows segments of any age', () => {
    expect(resolveConfig({ dataDir: '/data', maxSegmentAgeMs: Infinity }).maxSegmentAgeMs).toBe(Infinity)
    expect(() => resolveConfig({ dataDir: '/data', maxSegmentBytes: Infinity })).toThrow(RangeError)
  })

  it.each([
    ['a larger record', { maxRecordBytes: 40 * MIB }, { maxRecordBytes: 40 * MIB, maxBatchBytes: 40 * MIB }],
    ['a smaller record', { maxRecordBytes: 1 }, { maxRecordBytes: 1, maxBatchBytes: 32 * MIB }],
    ['a smaller batch', { maxBatchBytes: MIB }, { maxRecordBytes: MIB, maxBatchBytes: MIB }],
    ['a larger batch', { maxBatchBytes: 40 * MIB }, { maxRecordBytes: 16 * MIB, maxBatchBytes: 40 * MIB }],
  ])('derives a limit that is not given from the one that is: %s', (_, options, expected) => {
    expect(resolveConfig(given(options))).toMatchObject(expected)
  })

  it('refuses a record limit over the batch limit', () => {
    const expected = new RangeError('maxRecordBytes must not be more than maxBatchBytes (9): 10')
    expect(() => resolveConfig(given({ maxRecordBytes: 10, maxBatchBytes: 9 }))).toThrow(expected)
  })

  it.each([
    [{ dataDir: undefined }, TypeError, 'dataDir must be a string, not undefined'],
    [{ dataDir: 7 }, TypeError, 'dataDir must be a string, not 7'],
    [{ dataDir: '' }, RangeError, 'dataDir must be a non-empty path without NUL characters: ""'],
    [{ dataDir: 'a\0b' }, RangeError, String.raw`dataDir must be a non-empty path without NUL characters: "a\u0000b"`],
  ])('refuses %o', (options, kind, message) => {
    expect(() => resolveConfig(given(options))).toThrow(new kind(message))
  })

  it.each([
    [undefined, 'undefined'],
    [null, 'null'],
    ['/data', '"/data"'],
  ])('refuses %o for a config', (config, shown) => {
    const expected = new TypeError(`config must be an object, not ${shown}`)
    expect(() => resolveConfig(config as unknown as WalConfig)).toThrow(expected)
  })
})

describe('show', () => {
  it.each([
    ['text', '"text"'],
    ['two\nlines', String.raw`"two\nlines"`],
    ['x'.repeat(64), `"${'x'.repeat(64)}"`],
    ['x'.repeat(65), `"${'x'.repeat(61)}..."`],
    [7n, '7n'],
    [-0.5, '-0.5'],
    [undefined, 'undefined'],
    [null, 'null'],
    [Symbol('s'), 'Symbol(s)'],
    [[1], 'an object (Array)'],
    [new Map(), 'an object (Map)'],
    [Object.create(null), 'an object (no class)'],
  ])('shows %o briefly', (value: unknown, shown) => {
    expect(show(value)).toBe(shown)
  })
})
