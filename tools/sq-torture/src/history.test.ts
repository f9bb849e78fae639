import { expect, test } from 'vitest'
import { DELETED, History, ValueTable, Violation } from './history.ts'
import type { Contents } from './history.ts'

/** A history with the values 1 and 2 acknowledged, one at a time. */
function acknowledged(): History {
  const history = new History()
  for (const value of [1, 2]) history.acknowledge(history.attempt([value]), BigInt(value - 1))
  return history
}

function rejected(): History {
  const history = acknowledged()
  history.reject(history.attempt([3]), new Error('failed'))
  return history
}

function recovers(history: History, contents: Contents): string | null {
  try {
    history.recovered(contents)
    return null
  } catch (error) {
    if (!(error instanceof Violation)) throw error
    return error.message.slice(0, 1)
  }
}

test.each<[string, Contents, string | null]>([
  ['what was acknowledged', [1, 2], null],
  ['less', [1], '1'],
  ['another value', [1, 3], '1'],
  ['another order', [2, 1], '1'],
  ['more than was attempted', [1, 2, 3], '2'],
])('after a crash the log may hold %s, or that is a violation', (_, contents, violated) => {
  expect(recovers(acknowledged(), contents)).toBe(violated)
})

test.each<[Contents, string | null]>([
  [[1, 2], null],
  [[1, 2, 3], null],
  [[1, 2, 3, 4, 5], null],
  [[1, 2, 3, 4], '2'],
  [[1, 2, 4, 5], '2'],
])('with an append and a batch under way, %j is judged by whole units in order', (contents, violated) => {
  const history = acknowledged()
  history.attempt([3])
  history.attempt([4, 5])
  expect(recovers(history, contents)).toBe(violated)
})

test('a rejected append may appear until something later was acknowledged, and then never', () => {
  expect(recovers(rejected(), [1, 2, 3])).toBeNull()
  const retried = rejected()
  retried.acknowledge(retried.attempt([4]), 2n)
  expect(recovers(retried, [1, 2, 3])).toBe('1')
  const closed = rejected()
  closed.settled()
  expect(recovers(closed, [1, 2, 3])).toBe('2')
})

test('two failures in a row were attempted at the same offset, not after each other', () => {
  const history = acknowledged()
  history.reject(history.attempt([3]), new Error('first'))
  history.reject(history.attempt([4]), new Error('second'))
  expect(history.possible()).toEqual([
    [1, 2],
    [1, 2, 3],
    [1, 2, 4],
  ])
})

test('what one recovery exposed must stay, and what it left out must stay away', () => {
  const exposed = acknowledged()
  exposed.attempt([3])
  exposed.recovered([1, 2, 3])
  expect(recovers(exposed, [1, 2])).toBe('1')
  const left = acknowledged()
  left.attempt([3])
  left.recovered([1, 2])
  expect(recovers(left, [1, 2, 3])).toBe('2')
})

test('a deletion may take any of the oldest records until it is done, and then has', () => {
  const history = acknowledged()
  history.deleting()
  expect(history.possible()).toEqual([
    [1, 2],
    [DELETED, 2],
    [DELETED, DELETED],
  ])
  history.deleted(1)
  expect(history.possible()).toEqual([[DELETED, 2]])
  expect(recovers(history, [1, 2])).toBe('1')
  const failed = acknowledged()
  failed.deleting()
  failed.deletionFailed()
  failed.acknowledge(failed.attempt([3]), 2n)
  expect(recovers(failed, [DELETED, DELETED, DELETED])).toBe('1')
  expect(recovers(failed, [DELETED, 2, 3])).toBeNull()
})

test('a truncation may take any of the newest records until it is done, and then has', () => {
  const history = rejected()
  history.truncating(0)
  expect(history.possible()).toEqual([[1, 2], [1, 2, 3], [], [1]])
  history.truncated(0)
  expect(history.possible()).toEqual([[]])
  history.acknowledge(history.attempt([4]), 0n)
  expect(recovers(history, [1])).toBe('1')
})

test('what a truncation that failed half-way dropped may be back, until something later succeeds', () => {
  const failed = acknowledged()
  failed.truncating(1)
  failed.truncationFailed({ offset: 1, nextOffset: 1n })
  expect(failed.possible()).toEqual([[1], [1, 2], [1]])
  failed.acknowledge(failed.attempt([3]), 1n)
  expect(failed.possible()).toEqual([[1, 3]])
})

test('a truncation that failed leaves the next offset, or moves it to the offset', () => {
  const failed = acknowledged()
  failed.truncating(0)
  failed.truncationFailed({ offset: 0, nextOffset: 2n })
  expect(failed.possible()).toEqual([[1, 2]])
  failed.truncating(0)
  expect(() => failed.truncationFailed({ offset: 0, nextOffset: 1n })).toThrow(/^11/)
})

test('acknowledgements out of order, or at another offset, are violations', () => {
  const history = acknowledged()
  const first = history.attempt([3])
  const second = history.attempt([4])
  expect(() => history.acknowledge(second, 2n)).toThrow(/^5/)
  expect(() => history.reject(second, new Error('failed'))).toThrow(/^5/)
  expect(() => history.acknowledge(first, 3n)).toThrow(/^6/)
})

test('of a log of which only the possible contents are known, the first of them were acknowledged', () => {
  const known = new History()
  known.allow([
    [1, 2],
    [1, 2, 3],
  ])
  expect(recovers(known, [1])).toBe('1')
  expect(recovers(known, [1, 2, 4])).toBe('2')
  expect(recovers(known, [1, 2, 3])).toBeNull()
})

test('recovery that was cut off and gives something else when it is repeated is a violation of its own', () => {
  const repeated = new History()
  repeated.allow([[1, 2]], { repeated: true })
  expect(recovers(repeated, [1])).toBe('9')
  expect(recovers(repeated, [1, 2])).toBeNull()
})

test('equal bytes have one number, others another', () => {
  const table = new ValueTable()
  expect(table.id(Buffer.from('a'))).toBe(table.id(Buffer.from('a')))
  expect(table.id(Buffer.from('a'))).not.toBe(table.id(Buffer.from('b')))
})
