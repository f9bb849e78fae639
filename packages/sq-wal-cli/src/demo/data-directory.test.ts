import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { makeDataDirectory } from './data-directory.ts'

let place: string

beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'sq-wal-test-'))
})
afterEach(() => rmSync(place, { recursive: true }))

/** Leaves in a directory what a log would. */
function writeLogInto(directory: string): void {
  mkdirSync(join(directory, 'demo/0'), { recursive: true })
  writeFileSync(join(directory, 'demo/0/00000000000000000000.wal'), 'SQ')
}

describe('a directory for the log', () => {
  it('is a temporary one that is gone afterwards, if none is given', async () => {
    const { path, remove } = await makeDataDirectory(undefined)
    writeLogInto(path)
    await remove()
    expect(existsSync(path)).toBe(false)
  })

  it('is made with those above it, and removed with them', async () => {
    const { path, remove } = await makeDataDirectory(join(place, 'a/b/c'))
    expect(path).toBe(join(place, 'a/b/c'))
    writeLogInto(path)
    await remove()
    expect(readdirSync(place)).toEqual([])
  })

  it('stays if it was there before', async () => {
    const { path, remove } = await makeDataDirectory(place)
    writeLogInto(path)
    await remove()
    expect(readdirSync(place)).toEqual([])
  })

  it('stays, with what is in it, if somebody else has put something there', async () => {
    const { path, remove } = await makeDataDirectory(join(place, 'a'))
    writeLogInto(path)
    writeFileSync(join(path, 'mine'), '')
    await remove()
    expect(readdirSync(path)).toEqual(['mine'])
  })

  it('is refused if it holds anything, and left alone', async () => {
    writeLogInto(place)
    await expect(makeDataDirectory(place)).rejects.toThrow('is not empty')
    expect(existsSync(join(place, 'demo/0/00000000000000000000.wal'))).toBe(true)
  })

  it('is refused if it is a file', async () => {
    writeFileSync(join(place, 'file'), '')
    await expect(makeDataDirectory(join(place, 'file'))).rejects.toThrow(/no place for the log: .*file/)
    await expect(makeDataDirectory(join(place, 'file/below'))).rejects.toThrow(/no place for the log: .*file/)
  })
})
