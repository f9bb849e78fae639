/** Errors are judged by what they have: where a test runner gives code a realm of its own, Node's are from another. */
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { codeOf, isDenied, isError, messageOf, named } from './system-error.ts'

/** An error as Node makes it, for code that runs in another realm. */
function foreign(message: string, fields: object): unknown {
  const error: unknown = runInNewContext('Object.assign(new Error(message), fields)', { message, fields })
  expect(error).not.toBeInstanceOf(Error)
  return error
}

describe('an error of another realm', () => {
  test('has its code and its message', () => {
    const error = foreign('ENOENT: no such file or directory, stat', { code: 'ENOENT', errno: -2 })
    expect(isError(error)).toBe(true)
    expect(codeOf(error)).toBe('ENOENT')
    expect(messageOf(error)).toBe('ENOENT: no such file or directory, stat')
  })

  test.runIf(process.platform === 'linux')('gets the name of the system that Node does not know', () => {
    const error = foreign('Unknown system error -122: write', { code: 'Unknown system error -122', errno: -122 })
    expect(named(error)).toMatchObject({ code: 'EDQUOT', message: 'EDQUOT: write' })
  })
})

test.each([null, undefined, 'ENOENT', 7, {}, { code: 'ENOENT' }, { message: 7 }, () => {}])('%o is no error', (value) => {
  expect(isError(value)).toBe(false)
  expect(codeOf(value)).toBeUndefined()
})

describe("where Node's permission model", () => {
  test('allows no fsync, the error says what is possible', () => {
    const refusal = Object.assign(new Error('fsync API is disabled when Permission Model is enabled.'), { code: 'ERR_ACCESS_DENIED' })
    expect(named(refusal).message).toMatch(/disabled.* a log can be read there, with --allow-fs-read for its directory, but not be written$/)
  })

  test('allows no file, the error stays as it is', () => {
    const refusal = Object.assign(new Error('Use --allow-fs-read.'), { code: 'ERR_ACCESS_DENIED', permission: 'FileSystemRead' })
    expect(named(refusal).message).toBe('Use --allow-fs-read.')
    expect(isDenied(refusal)).toBe(true)
  })
})
