import { NodeFileSystem } from '@sq/sim'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { describe, expect, test } from 'vitest'
import { ReadOnlyFileSystem } from './read-only-file-system.ts'

const READING = ['readdir', 'stat', 'space', 'watch', 'open', 'constructor']
const WRITING = Object.getOwnPropertyNames(NodeFileSystem.prototype).filter((name) => !READING.includes(name))

/** Calls a method by its name, with paths. */
function call(fs: object, name: string): unknown {
  const method: unknown = Reflect.get(fs, name)
  if (typeof method !== 'function') throw new TypeError(`${name} is not a method`)
  return Reflect.apply(method, fs, ['/data/file', '/data/other'])
}

test('the methods of a file system that are taken as writing', () => {
  expect(WRITING.toSorted()).toEqual(['link', 'lock', 'mkdir', 'rename', 'rmdir', 'syncDirectory', 'unlink'])
})

describe('a read-only file system', () => {
  test.each(WRITING)('%s is refused before it reaches the real file system', async (name) => {
    const untouched = new Proxy(new InMemoryFileSystem(), {
      get() {
        throw new Error('reached')
      },
    })
    await expect(call(new ReadOnlyFileSystem(untouched), name)).rejects.toMatchObject({ code: 'EROFS' })
  })

  test.each(['read-write', 'create'] as const)('a file cannot be opened with %s', async (mode) => {
    const fs = new InMemoryFileSystem()
    await expect(new ReadOnlyFileSystem(fs).open('/file', mode)).rejects.toMatchObject({ code: 'EROFS' })
    expect(await fs.readdir('/')).toEqual([])
  })
})
