import { InMemoryFileSystem } from '@sq/sim/memory'
import { describe, expect, it, test } from 'vitest'
import { LogNotFoundError, WalIoError } from '../../errors.ts'
import { io, LogFile } from './log-file.ts'

const caught = (promise: Promise<unknown>): Promise<unknown> => promise.catch((error: unknown) => error)

describe('io', () => {
  it('wraps errors of the file system, but not those of the log', async () => {
    const cause = Object.assign(new Error('EIO: i/o error'), { code: 'EIO' })
    const error = await caught(io('read', '/file', () => Promise.reject(cause)))
    expect(error).toMatchObject({ message: 'cannot read /file: EIO: i/o error', path: '/file', cause })
    const unnamed = Object.assign(new Error('?'), { code: 'Unknown system error -122', errno: -122 })
    expect(await caught(io('read', '/file', () => Promise.reject(unnamed)))).toBeInstanceOf(WalIoError)
    const mistake = new TypeError('not a function')
    expect(await caught(io('read', '/file', () => Promise.reject(mistake)))).toBe(mistake)
    const own = new LogNotFoundError('/file')
    expect(await caught(io('read', '/file', () => Promise.reject(own)))).toBe(own)
    expect(await io('read', '/file', () => Promise.resolve(7))).toBe(7)
  })

  it.each([
    [{ code: 'EIO' }, true],
    [{ code: 'E2BIG' }, true],
    [{ code: 'ERR_ACCESS_DENIED' }, true],
    [{ code: 'Unknown system error -122', errno: -122 }, true],
    [{ code: 'ERR_INVALID_ARG_TYPE' }, false],
    [{ code: 'ERR_ACCESS_DENIED_NOT' }, false],
    [{ code: 'NOT_ERR_ACCESS_DENIED' }, false],
    [{ code: 'NO_EIO' }, false],
    [{ code: 'EIO_NOT' }, false],
    [{ code: 'Unknown', errno: '-122' }, false],
    [{}, false],
  ])('takes an error with %j as one of the file system: %s', async (fields, isOfFileSystem) => {
    const cause = Object.assign(new Error('?'), fields)
    const error = await caught(io('read', '/file', () => Promise.reject(cause)))
    expect(error instanceof WalIoError).toBe(isOfFileSystem)
  })
})

test.each([
  ['read', 'read', (file: LogFile) => file.read(Buffer.alloc(1), 0)],
  ['write', 'write', (file: LogFile) => file.write([Buffer.from('x')], 0)],
  ['sync', 'sync', (file: LogFile) => file.sync()],
  ['truncate', 'truncate', (file: LogFile) => file.truncate(0)],
  ['read the size of', 'size', (file: LogFile) => file.size()],
] as const)('a file that cannot %s says so, with the path that it has by now', async (attempt, operation, act) => {
  const fs = new InMemoryFileSystem()
  const file = await LogFile.open(fs, '/old', 'create')
  await fs.rename('/old', '/new')
  file.path = '/new'
  fs.faults.failNext(operation, 'EIO')
  expect(await caught(act(file))).toMatchObject({
    code: 'SQ_WAL_IO',
    path: '/new',
    message: expect.stringMatching(`^cannot ${attempt} /new: EIO`),
  })
})

test.each([
  ['create', 'create'],
  ['open', 'read'],
  ['open', 'read-write'],
] as const)('a file that the system does not %s says so (%s)', async (attempt, mode) => {
  const error = await caught(LogFile.open(new InMemoryFileSystem(), '/no/file', mode))
  expect(error).toMatchObject({
    path: '/no/file',
    message: expect.stringMatching(`^cannot ${attempt} /no/file: ENOENT`),
  })
})

test('a file has the identity of what is at its path', async () => {
  const fs = new InMemoryFileSystem()
  const file = await LogFile.open(fs, '/file', 'create')
  expect(await file.identity()).toBe((await fs.stat('/file')).identity)
})

test('a file that cannot be closed is no error', async () => {
  const fs = new InMemoryFileSystem()
  const file = await LogFile.open(fs, '/file', 'create')
  fs.faults.failNext('close', 'EIO')
  await file.close()
})
