import { InvalidArgumentError } from 'commander'
import { describe, expect, test } from 'vitest'
import { parsePlace } from './place.ts'
import { fromUnit, InvalidTimeError, parseRelativeTime, parseTime, parseUnixTime } from './time.ts'
import { WrittenTime } from './written-time.ts'

describe('a time of ISO 8601', () => {
  test.each([
    ['1970-01-01', 0],
    ['2026-11-22', Date.UTC(2026, 10, 22)],
    ['2026-11-22 20:57', Date.UTC(2026, 10, 22, 20, 57)],
    ['2026-11-22T20:57:52', Date.UTC(2026, 10, 22, 20, 57, 52)],
    ['2026-11-22T20:57:52.1239Z', Date.UTC(2026, 10, 22, 20, 57, 52, 123)],
    ['2026-11-22T20:57:52.5Z', Date.UTC(2026, 10, 22, 20, 57, 52, 500)],
    ['2026-11-22T20:57+02:00', Date.UTC(2026, 10, 22, 18, 57)],
    ['2026-11-22T20:57-0330', Date.UTC(2026, 10, 23, 0, 27)],
    ['2024-02-29', Date.UTC(2024, 1, 29)],
    ['2000-02-29', Date.UTC(2000, 1, 29)],
    ['9999-12-31T23:59:59.999', Date.UTC(9999, 11, 31, 23, 59, 59, 999)],
  ])('%s is %d ms', (text, timestampMs) => {
    expect(parseTime(text)).toBe(timestampMs)
  })

  test.each([
    ['2026-02-30', 'the day in 2026-02 is 30, expected 1 to 28'],
    ['2026-02-29', 'the day in 2026-02 is 29, expected 1 to 28'],
    ['2100-02-29', 'the day in 2100-02 is 29, expected 1 to 28'],
    ['2024-02-30', 'the day in 2024-02 is 30, expected 1 to 29'],
    ['2026-04-31T00:00Z', 'the day in 2026-04 is 31, expected 1 to 30'],
    ['2026-01-00', 'the day in 2026-01 is 0, expected 1 to 31'],
    ['2026-01-32', 'the day in 2026-01 is 32, expected 1 to 31'],
    ['2026-00-01', 'the month is 0, expected 1 to 12'],
    ['2026-13-01', 'the month is 13, expected 1 to 12'],
    ['2026-11-22T24:00', 'the hour is 24, expected 0 to 23'],
    ['2026-11-22T25:00', 'the hour is 25, expected 0 to 23'],
    ['2026-11-22T20:60', 'the minute is 60, expected 0 to 59'],
    ['2026-11-22T20:57:60Z', 'the second is 60, expected 0 to 59'],
    ['2026-11-22T20:57+25:00', "the offset's hour is 25, expected 0 to 23"],
    ['2026-11-22T20:57-0160', "the offset's minute is 60, expected 0 to 59"],
  ])('%s does not exist', (text, reason) => {
    expect(() => parseTime(text)).toThrow(new InvalidTimeError(`${text} does not exist: ${reason}`))
    expect(() => parsePlace(text)).toThrow(new InvalidArgumentError(`${text} does not exist: ${reason}.`))
  })

  test.each(['1969-12-31T23:59:59.999Z', '1970-01-01T00:00+01:00', '0026-11-22'])('%s is refused', (text) => {
    expect(() => parseTime(text)).toThrow(new InvalidTimeError(`${text} is before 1970`))
  })

  test.each([
    '',
    'now',
    '2026',
    '2026-11',
    '2026-11-22T',
    '2026-11-22T20',
    '22.11.2026',
    '2026-11-22T20:57 Z',
    '+2026-11-22',
  ])('%j is not a time', (text) => {
    expect(parseTime(text)).toBeNull()
  })

  test('every day of some years is parsed, and no other day exists', () => {
    const years = [1970, 1999, 2000, 2023, 2024, 2100, 2400]
    const found: string[] = []
    const others: unknown[] = []
    for (const year of years) {
      for (let month = 0; month <= 13; month++) {
        for (let day = 0; day <= 32; day++) {
          const text = [year, ...[month, day].map((part) => String(part).padStart(2, '0'))].join('-')
          try {
            found.push(new Date(parseTime(text) ?? NaN).toISOString().slice(0, 10) === text ? text : `not ${text}`)
          } catch (error) {
            if (!(error instanceof InvalidTimeError)) others.push(error)
          }
        }
      }
    }
    expect(others).toEqual([])
    expect(found.filter((text) => text.startsWith('not'))).toEqual([])
    expect(found).toHaveLength(years.length * 365 + 3)
  })
})

describe('seconds since 1970', () => {
  test.each([
    ['@0', 0],
    ['@1795672800', 1_795_672_800_000],
    ['@1795672800.5', 1_795_672_800_500],
    ['@1795672800.1239', 1_795_672_800_123],
    ['@5.000', 5000],
    ['@0.005', 5],
    ['@1795672800000.000', 1_795_672_800_000_000],
  ])('%s is %d ms', (text, timestampMs) => {
    expect(parseUnixTime(text)).toBe(timestampMs)
    expect(parsePlace(text)).toEqual(WrittenTime.parse(text))
    expect(WrittenTime.parse(text)?.in('UTC', 0)).toBe(timestampMs)
  })

  test.each([
    ['@1795672800000', 'write @1795672800000.000 for seconds, @1795672800.000 for milliseconds'],
    ['@1795672800123', 'write @1795672800123.000 for seconds, @1795672800.123 for milliseconds'],
    ['@5', 'write @5.000 for seconds, @0.005 for milliseconds'],
  ])('%s is refused, because it may be milliseconds', (text, advice) => {
    expect(() => parseUnixTime(text)).toThrow(new InvalidTimeError(`${text} may be seconds or milliseconds: ${advice}`))
    expect(() => parsePlace(text)).toThrow(InvalidArgumentError)
  })

  test.each(['@', '@-5', '@1e9', '@1.', '@ 5', '1795672800.5'])('%j is not a time', (text) => {
    expect(parseUnixTime(text)).toBeNull()
    expect(() => parsePlace(text)).toThrow(/^Expected an offset, such as 1200; or a time/)
  })

  test('a number without @ is an offset', () => {
    expect(parsePlace('1795672800')).toEqual({ offset: 1_795_672_800n })
  })
})

describe('a time relative to now', () => {
  const nowMs = Date.UTC(2026, 2, 1, 12, 30, 15, 250)

  test.each([
    ['now', nowMs],
    ['today', Date.UTC(2026, 2, 1)],
    ['yesterday', Date.UTC(2026, 1, 28)],
    ['02:00', Date.UTC(2026, 2, 1, 2)],
    ['23:59:58', Date.UTC(2026, 2, 1, 23, 59, 58)],
    ['today 02:00', Date.UTC(2026, 2, 1, 2)],
    ['yesterday 18:30', Date.UTC(2026, 1, 28, 18, 30)],
    ['yesterdayT18:30:05', Date.UTC(2026, 1, 28, 18, 30, 5)],
    ['-45s', nowMs - 45_000],
    ['-90m', nowMs - 5_400_000],
    ['-1h', nowMs - 3_600_000],
    ['-7d', nowMs - 604_800_000],
    ['-2w', nowMs - 1_209_600_000],
  ])('%s is %d ms', (text, timestampMs) => {
    expect(parseRelativeTime(text, { zone: 'UTC', nowMs })).toBe(timestampMs)
  })

  test.each([
    '',
    '-',
    '-1',
    '-1y',
    '1h',
    '-1h30m',
    '-1.5h',
    'tomorrow',
    'today ',
    'yesterdayT',
    '2:00',
    'T02:00',
    '2026-03-01',
  ])('%j is not one', (text) => {
    expect(parseRelativeTime(text, { zone: 'UTC', nowMs })).toBeNull()
  })

  test.each(['-3000w', '-99999999999999999999s'])('%s is before 1970', (text) => {
    expect(() => parseRelativeTime(text, { zone: 'UTC', nowMs })).toThrow(
      new InvalidTimeError(`${text} is before 1970`),
    )
  })

  test.each(['24:00', 'today 02:60', 'yesterday 02:00:61'])('%s does not exist', (text) => {
    expect(() => parseRelativeTime(text, { zone: 'UTC', nowMs })).toThrow(InvalidTimeError)
  })
})

test.each([
  [1_795_672_800n, 's', 1_795_672_800_000],
  [5n, 'ms', 5],
  [1_795_672_800_123_999n, 'us', 1_795_672_800_123],
  [1_795_672_800_123_999_999n, 'ns', 1_795_672_800_123],
  [-1n, 's', null],
  [-1n, 'us', null],
  [-1n, 'ns', null],
  [2n ** 53n, 'ms', null],
] as const)('%d %s are %d ms', (count, unit, timestampMs) => {
  expect(fromUnit(count, unit)).toBe(timestampMs)
})
