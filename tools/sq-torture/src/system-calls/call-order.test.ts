import { describe, expect, test } from 'vitest'
import { checkCallOrder } from './call-order.ts'

const OPEN = '7 openat(AT_FDCWD</d>, "/d/t/0/next.tmp", O_RDWR|O_CREAT|O_EXCL|O_DSYNC, 0666) = 19</d/t/0/next.tmp>'
const REOPEN_UNSYNCED = '7 openat(AT_FDCWD</d>, "/d/t/0/0.wal", O_RDWR) = 19</d/t/0/0.wal>'
const HEAD = '7 pwrite64(19</d/t/0/next.tmp>, "SQWL"..., 112, 0) = 112'
const RENAME = '7 rename("/d/t/0/next.tmp", "/d/t/0/0.wal") = 0'
const SYNC = '7 fsync(20</d/t/0>) = 0'
const COMMIT = String.raw`7 pwrite64(19</d/t/0/0.wal>, "\x46\x00\x00\x00\x00\x00\x00\x00\x05\x99", 568, 112) = 568`
const ACKNOWLEDGE = String.raw`3 write(1<pipe:[5]>, "acknowledged 5\n", 15) = 15`
const OTHER_COMMIT = COMMIT.replace('x05', 'x06')
const OTHER_ACKNOWLEDGE = ACKNOWLEDGE.replace('acknowledged 5', 'acknowledged 6')

describe('the order of calls', () => {
  test('an order is right if everything is durable before something depends on it', () => {
    const trace = [OPEN, HEAD, RENAME, SYNC, COMMIT, ACKNOWLEDGE, OTHER_COMMIT, OTHER_ACKNOWLEDGE]
    expect(checkCallOrder(trace)).toEqual({ newSegments: 1, acknowledgements: 2 })
  })

  test('overlapping calls are told apart', () => {
    const begun = '7 fsync(20</d/t/0> <unfinished ...>'
    const done = '7 <... fsync resumed>)            = 0'
    const seen = checkCallOrder([OPEN, HEAD, RENAME, begun, done, COMMIT, ACKNOWLEDGE])
    expect(seen).toMatchObject({ newSegments: 1, acknowledgements: 1 })
    expect(() => checkCallOrder([OPEN, HEAD, RENAME, begun, COMMIT, ACKNOWLEDGE, done])).toThrow('before the name')
  })

  test.each([
    ['next.tmp is opened for writing without O_DSYNC', [OPEN.replace('|O_DSYNC', '')]],
    ['0.wal is opened for writing without O_DSYNC', [REOPEN_UNSYNCED]],
    ['renamed before its head is durable', [OPEN, RENAME]],
    ['renamed before its head is durable', [HEAD, OPEN, RENAME]],
    ['before the name of its segment is durable', [OPEN, HEAD, RENAME, COMMIT, ACKNOWLEDGE]],
    ['before the name of its segment is durable', [OPEN, HEAD, SYNC, RENAME, COMMIT, ACKNOWLEDGE]],
    ['acknowledged before it is durable', [OPEN, HEAD, RENAME, SYNC, ACKNOWLEDGE]],
    ['acknowledged before it is durable', [OPEN, HEAD, RENAME, SYNC, COMMIT, OTHER_ACKNOWLEDGE]],
  ])('an order is wrong: %s', (message, trace) => {
    expect(() => checkCallOrder(trace)).toThrow(message)
  })
})
