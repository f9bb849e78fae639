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

/** Creates the files that a log would leave in a directory. */
function writeLogInto(directory: string): void {
  mkdirSync(join(directory, 'demo/0'), { recursive: true })
  writeFileSync(join(directory, 'demo/0/00000000000000000000.wal'), 'SQ')
}

describe('a directory for the log', () => {
  it('without a given directory, a temporary one is created and removed at the end', async () => {
    const { path, remove } = await makeDataDirectory(undefined)
    writeLogInto(path)
    await remove()
    expect(existsSync(path)).toBe(false)
  })

  it('a missing directory is created with its missing parents, and removed with them', async () => {
    const { path, remove } = await makeDataDirectory(join(place, 'a/b/c'))
    expect(path).toBe(join(place, 'a/b/c'))
    writeLogInto(path)
    await remove()
    expect(readdirSync(place)).toEqual([])
  })

  it('a directory that existed before stays', async () => {
    const { path, remove } = await makeDataDirectory(place)
    writeLogInto(path)
    await remove()
    expect(readdirSync(place)).toEqual([])
  })

  it('a directory stays if another process has put a file into it', async () => {
    const { path, remove } = await makeDataDirectory(join(place, 'a'))
    writeLogInto(path)
    writeFileSync(join(path, 'mine'), '')
    await remove()
    expect(readdirSync(path)).toEqual(['mine'])
  })

  it('a directory that is not empty is refused and left unchanged', async () => {
    writeLogInto(place)
    await expect(makeDataDirectory(place)).rejects.toThrow('is not empty')
    expect(existsSync(join(place, 'demo/0/00000000000000000000.wal'))).toBe(true)
  })

  it('a file is refused', async () => {
    writeFileSync(join(place, 'file'), '')
    await expect(makeDataDirectory(join(place, 'file'))).rejects.toThrow(
      /cannot create the directory of the log: .*file/,
    )
    await expect(makeDataDirectory(join(place, 'file/below'))).rejects.toThrow(
      /cannot create the directory of the log: .*file/,
    )
  })
})
