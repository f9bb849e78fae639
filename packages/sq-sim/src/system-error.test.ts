/**
 * Errors are recognized by their fields: if a test runner runs code in a separate realm, errors of Node come from
 * another realm.
 */
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { codeOf, isDenied, isError, messageOf, named, systemError } from './system-error.ts'

/** An error of Node, as code in another realm gets it. */
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

test.each([null, undefined, 'ENOENT', 7, {}, { code: 'ENOENT' }, { message: 7 }, () => {}])(
  '%o is no error',
  (value) => {
    expect(isError(value)).toBe(false)
    expect(codeOf(value)).toBeUndefined()
  },
)

describe.runIf(process.platform === 'linux')('what Node has no text for', () => {
  const texts = [
    [37, 'ENOLCK', 'no locks available: the lock table is full, or this file system has no locks'],
    [74, 'EBADMSG', 'bad message: the file system found damage'],
    [116, 'ESTALE', 'stale file handle: the file is gone from its server'],
    [117, 'EUCLEAN', 'structure needs cleaning: the file system is damaged'],
    [122, 'EDQUOT', 'disk quota exceeded'],
  ] as const

  test.each(texts)('%i is named and explained: %s', (number, code, text) => {
    const raw = `Unknown system error -${number}`
    const error = named(Object.assign(new Error(`${raw}: ${raw}, fsync '/x'`), { code: raw, errno: -number }))
    expect(error.code).toBe(code)
    expect(error.message).toContain(`${code}: ${text}`)
    expect(error.message).toMatch(/, fsync '\/x'$/)
    const made = systemError(code, { syscall: 'fsync', path: '/x' })
    expect(made).toMatchObject({ code, errno: -number, message: error.message })
  })

  test('and this file no explanation either, is reported without repeating the code', () => {
    const raw = 'Unknown system error -33'
    expect(named(Object.assign(new Error(`${raw}: ${raw}, read`), { code: raw })).message).toBe('EDOM: read')
    expect(systemError('EDOM', { syscall: 'read' }).message).toBe('EDOM: read')
    expect(systemError('ENEVERSEEN', { syscall: 'read', path: '/x' }).message).toBe("ENEVERSEEN: read '/x'")
  })

  test('nor a name for, is reported unchanged and without repetition', () => {
    const raw = 'Unknown system error -9999'
    const error = Object.assign(new Error(`${raw}: ${raw}, read`), { code: raw })
    expect(named(error)).toMatchObject({ code: raw, message: `${raw}: read` })
  })
})

describe("where Node's permission model", () => {
  test('allows no fsync, the error says what is possible', () => {
    const refusal = Object.assign(new Error('fsync API is disabled when Permission Model is enabled.'), {
      code: 'ERR_ACCESS_DENIED',
    })
    expect(named(refusal).message).toMatch(
      /disabled.* a log can be read there, with --allow-fs-read for its directory, but not be written$/,
    )
  })

  test('allows no file, the error stays as it is', () => {
    const refusal = Object.assign(new Error('Use --allow-fs-read.'), {
      code: 'ERR_ACCESS_DENIED',
      permission: 'FileSystemRead',
    })
    expect(named(refusal).message).toBe('Use --allow-fs-read.')
    expect(isDenied(refusal)).toBe(true)
  })
})
