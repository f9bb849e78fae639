import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { closeDescriptor } from './descriptor.ts'
import { openLockFile, takeLock } from './file-lock.ts'

const on = { descriptor: 7, path: '/data/lock' }

/** An error as the binding throws it: its code may be just a number, and it has no other fields. */
function refusal(code: string): Error {
  return Object.assign(new Error('no'), { code })
}

describe('takeLock', () => {
  it('takes the lock, or rejects with ELOCKED if it is held', () => {
    expect(() => takeLock(() => true, on)).not.toThrow()
    expect(() => takeLock(() => false, on)).toThrow(expect.objectContaining({ code: 'ELOCKED' }))
  })

  it.each(['ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EINVAL'])(
    'says how to run without locks if the file system has none: %s',
    (code) => {
      const taken = (): never => {
        throw refusal(code)
      }
      expect(() => takeLock(taken, on)).toThrow(expect.objectContaining({ code: 'ENOLOCK', path: on.path }))
      expect(() => takeLock(taken, on)).toThrow('unlocked: true')
    },
  )

  it.each([
    ['EIO', 'EIO'],
    ['EMFILE', 'EMFILE'],
    ['EBADF', 'EBADF'],
    ['Unknown system error -37', 'ENOLCK'],
  ])('passes on %s, without that advice', (thrown, code) => {
    const cause = refusal(thrown)
    const attempt = (): void =>
      takeLock(() => {
        throw cause
      }, on)
    expect(attempt).toThrow(expect.objectContaining({ code, path: on.path, syscall: 'fcntl', cause }))
    expect(attempt).not.toThrow('unlocked')
  })

  it.runIf(process.platform === 'linux')('explains that no lock is available: ENOLCK', () => {
    const says = 'the lock table is full, or this file system has no locks, as NFS without its lock service'
    expect(() =>
      takeLock(() => {
        throw refusal('Unknown system error -37')
      }, on),
    ).toThrow(`ENOLCK: no locks available: ${says}, fcntl '/data/lock'`)
  })

  it('retries when interrupted, but not for ever', () => {
    const interrupted = vi.fn((): boolean => {
      throw refusal('EINTR')
    })
    expect(() => takeLock(interrupted, on)).toThrow(expect.objectContaining({ code: 'EINTR' }))
    const calls = interrupted.mock.calls.length
    expect(calls).toBeGreaterThan(1)
    const passing = vi.fn(() => true)
    for (let nth = 1; nth < calls; nth++) passing.mockImplementationOnce(() => interrupted())
    expect(() => takeLock(passing, on)).not.toThrow()
  })
})

it('openLockFile creates a file once, however many calls open it at once', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'sq-sim-'))
  const path = join(directory, 'lock')
  const descriptors = await Promise.all(Array.from({ length: 8 }, () => openLockFile(path)))
  expect(new Set(descriptors).size).toBe(8)
  for (const descriptor of descriptors) await closeDescriptor(descriptor, path)
  rmSync(directory, { recursive: true })
})
