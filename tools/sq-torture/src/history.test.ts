import { expect, test } from 'vitest'
import { DELETED, History, ValueTable, Violation } from './history.ts'
import type { Contents } from './history.ts'

/** A history in which the values 1 and 2 were acknowledged one after the other. */
function acknowledged(): History {
  const history = new History()
  for (const value of [1, 2]) history.acknowledge(history.submit([value]), BigInt(value - 1))
  return history
}

function rejected(): History {
  const history = acknowledged()
  history.reject(history.submit([3]), new Error('failed'))
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
  ['a different value', [1, 3], '1'],
  ['a different order', [2, 1], '1'],
  ['more than was submitted', [1, 2, 3], '2'],
])('contents after a crash are checked against the history: %s', (_, contents, violated) => {
  expect(recovers(acknowledged(), contents)).toBe(violated)
})

test.each<[Contents, string | null]>([
  [[1, 2], null],
  [[1, 2, 3], null],
  [[1, 2, 3, 4, 5], null],
  [[1, 2, 3, 4], '2'],
  [[1, 2, 4, 5], '2'],
])('with an append and a batch in flight, %j is judged by whole units in order', (contents, violated) => {
  const history = acknowledged()
  history.submit([3])
  history.submit([4, 5])
  expect(recovers(history, contents)).toBe(violated)
})

test('a rejected append may appear until a later one is acknowledged, and then never', () => {
  expect(recovers(rejected(), [1, 2, 3])).toBeNull()
  const retried = rejected()
  retried.acknowledge(retried.submit([4]), 2n)
  expect(recovers(retried, [1, 2, 3])).toBe('1')
  const closed = rejected()
  closed.settled()
  expect(recovers(closed, [1, 2, 3])).toBe('2')
})

test('two appends that failed in a row were submitted at the same offset', () => {
  const history = acknowledged()
  history.reject(history.submit([3]), new Error('first'))
  history.reject(history.submit([4]), new Error('second'))
  expect(history.possible()).toEqual([
    [1, 2],
    [1, 2, 3],
    [1, 2, 4],
  ])
})

test('records that a recovery exposed must stay, and records that it dropped must not come back', () => {
  const exposed = acknowledged()
  exposed.submit([3])
  exposed.recovered([1, 2, 3])
  expect(recovers(exposed, [1, 2])).toBe('1')
  const left = acknowledged()
  left.submit([3])
  left.recovered([1, 2])
  expect(recovers(left, [1, 2, 3])).toBe('2')
})

test('a deletion in progress may have deleted any of the oldest records, and a finished one has deleted all of them', () => {
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
  failed.acknowledge(failed.submit([3]), 2n)
  expect(recovers(failed, [DELETED, DELETED, DELETED])).toBe('1')
  expect(recovers(failed, [DELETED, 2, 3])).toBeNull()
})

test('a truncation in progress may have dropped any of the newest records, and a finished one has dropped all of them', () => {
  const history = rejected()
  history.truncating(0)
  expect(history.possible()).toEqual([[1, 2], [1, 2, 3], [], [1]])
  history.truncated(0)
  expect(history.possible()).toEqual([[]])
  history.acknowledge(history.submit([4]), 0n)
  expect(recovers(history, [1])).toBe('1')
})

test('records that a failed truncation dropped may come back until a later call succeeds', () => {
  const failed = acknowledged()
  failed.truncating(1)
  failed.truncationFailed({ offset: 1, nextOffset: 1n })
  expect(failed.possible()).toEqual([[1], [1, 2], [1]])
  failed.acknowledge(failed.submit([3]), 1n)
  expect(failed.possible()).toEqual([[1, 3]])
})

test('a failed truncation keeps the next offset or moves it to the given offset', () => {
  const failed = acknowledged()
  failed.truncating(0)
  failed.truncationFailed({ offset: 0, nextOffset: 2n })
  expect(failed.possible()).toEqual([[1, 2]])
  failed.truncating(0)
  expect(() => failed.truncationFailed({ offset: 0, nextOffset: 1n })).toThrow(/^11/)
})

test('an acknowledgement out of order or at a wrong offset is a violation', () => {
  const history = acknowledged()
  const first = history.submit([3])
  const second = history.submit([4])
  expect(() => history.acknowledge(second, 2n)).toThrow(/^5/)
  expect(() => history.reject(second, new Error('failed'))).toThrow(/^5/)
  expect(() => history.acknowledge(first, 3n)).toThrow(/^6/)
})

test('if only the possible contents of a log are known, the first of them are the acknowledged ones', () => {
  const known = new History()
  known.allow([
    [1, 2],
    [1, 2, 3],
  ])
  expect(recovers(known, [1])).toBe('1')
  expect(recovers(known, [1, 2, 4])).toBe('2')
  expect(recovers(known, [1, 2, 3])).toBeNull()
})

test('an interrupted recovery that gives a different result when it is repeated is a violation', () => {
  const repeated = new History()
  repeated.allow([[1, 2]], { repeated: true })
  expect(recovers(repeated, [1])).toBe('9')
  expect(recovers(repeated, [1, 2])).toBeNull()
})

test('equal bytes have the same number, different bytes have different numbers', () => {
  const table = new ValueTable()
  expect(table.id(Buffer.from('a'))).toBe(table.id(Buffer.from('a')))
  expect(table.id(Buffer.from('a'))).not.toBe(table.id(Buffer.from('b')))
})
