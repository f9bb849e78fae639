import { describe, expect, it } from 'vitest'
import { locatePartition } from './partition.ts'

describe('locatePartition', () => {
  it('is a directory of the topic in the data directory', () => {
    expect(locatePartition('/data', 'orders', 0)).toEqual({
      topic: 'orders',
      partition: 0,
      directory: '/data/orders/0',
    })
  })

  it.each(['a', '...', '.a', 'a.', '-', '_', 'Az09._-', 'x'.repeat(249)])('accepts %j as a topic', (topic) => {
    expect(locatePartition('/data', topic, 1).directory).toBe(`/data/${topic}/1`)
  })

  it.each(['', 'x'.repeat(250), 'x'.repeat(10_000)])('refuses a topic whose length is not 1 to 249: %.20j', (topic) => {
    const refusal = () => locatePartition('/data', topic, 0)
    expect(refusal).toThrow(RangeError)
    expect(refusal).toThrow(`topic must have 1 to 249 characters, not ${topic.length}: `)
  })

  it.each(['.', '..', '../x', 'a/b', '/', '\\', 'a b', 'a\0', 'a\n', '\na', 'é', '🙂', '%2e', 'a:b', '*'])(
    'refuses %j as a topic',
    (topic) => {
      const refusal = () => locatePartition('/data', topic, 0)
      expect(refusal).toThrow(RangeError)
      expect(refusal).toThrow('topic must be made of A-Z a-z 0-9 . _ - and not be "." or ".."')
    },
  )

  it.each([
    [undefined, 'undefined'],
    [null, 'null'],
    [1, '1'],
    [['orders'], 'an object (Array)'],
  ])('refuses %o, which is not a string, as a topic', (topic, shown) => {
    expect(() => locatePartition('/data', topic as unknown as string, 0)).toThrow(
      new TypeError(`topic must be a string, not ${shown}`),
    )
  })

  it.each([0, 1, 2 ** 31, 2 ** 32 - 1])('accepts partition %d', (partition) => {
    expect(locatePartition('/data', 'orders', partition).directory).toBe(`/data/orders/${partition}`)
  })

  it.each([-1, 1.5, 2 ** 32, Number.NaN, Infinity])('refuses partition %d', (partition) => {
    expect(() => locatePartition('/data', 'orders', partition)).toThrow(
      new RangeError(`partition must be a whole number from 0 to 4294967295: ${partition}`),
    )
  })

  it.each([
    ['0', '"0"'],
    [0n, '0n'],
    [undefined, 'undefined'],
  ])('refuses %o, which is not a number, as a partition', (partition, shown) => {
    expect(() => locatePartition('/data', 'orders', partition as unknown as number)).toThrow(
      new TypeError(`partition must be a number, not ${shown}`),
    )
  })
})
