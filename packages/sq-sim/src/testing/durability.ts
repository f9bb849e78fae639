/** Conformance: what a power cut leaves, for file systems whose power can be cut. */
import assert from 'node:assert/strict'
import type { FileHandle } from '../file-system.ts'
import type { CrashableFileSystem, FileSystemTest } from './fixtures.ts'
import { bytesOf, content, put, rejectsWith, withFile } from './fixtures.ts'

/** A test on a new file whose name is durable. Its handle is dead after the power cut. */
function onFile(
  name: string,
  use: (file: FileHandle, under: CrashableFileSystem & { readonly path: string }) => Promise<void>,
): FileSystemTest<CrashableFileSystem> {
  return {
    name,
    async run(under) {
      const path = `${under.directory}/file`
      const file = await under.fs.open(path, 'create')
      await under.fs.syncDirectory(under.directory)
      await use(file, { ...under, path })
    },
  }
}

export const durabilityTests: readonly FileSystemTest<CrashableFileSystem>[] = [
  onFile('a write without sync does not outlive a power cut', async (file, { fs, path, cutPower }) => {
    await file.write([bytesOf('lost')], 0)
    await cutPower()
    assert.equal(await content(fs, path), '')
  }),
  onFile('sync makes everything written through any handle durable', async (file, { fs, path, cutPower }) => {
    await withFile(fs, { path, mode: 'read-write' }, (other) => other.write([bytesOf('other ')], 0))
    await file.write([bytesOf('own')], 6)
    await file.sync()
    await file.write([bytesOf('lost')], 9)
    await cutPower()
    assert.equal(await content(fs, path), 'other own')
  }),
  onFile('sync makes a truncated size durable', async (file, { fs, path, cutPower }) => {
    await file.writeDurable([bytesOf('0123456789')], 0)
    await file.truncate(4)
    await file.sync()
    await cutPower()
    assert.equal(await content(fs, path), '0123')
  }),
  onFile('truncate without sync does not outlive a power cut', async (file, { fs, path, cutPower }) => {
    await file.writeDurable([bytesOf('0123456789')], 0)
    await file.truncate(4)
    await cutPower()
    assert.equal(await content(fs, path), '0123456789')
  }),
  onFile('writeDurable makes its bytes and their size durable', async (file, { fs, path, cutPower }) => {
    await file.writeDurable([bytesOf('dur'), bytesOf('able')], 0)
    await file.writeDurable([bytesOf('A')], 3)
    await cutPower()
    assert.equal(await content(fs, path), 'durAble')
  }),
  {
    name: 'a name does not outlive a power cut without syncDirectory, whatever was synced in the file',
    async run({ fs, directory, cutPower }) {
      await withFile(fs, { path: `${directory}/file`, mode: 'create' }, (file) => file.writeDurable([bytesOf('x')], 0))
      await cutPower()
      assert.deepEqual(await fs.readdir(directory), [])
    },
  },
  {
    name: 'syncDirectory makes created, removed and new names durable',
    async run({ fs, directory, cutPower }) {
      for (const name of ['removed', 'renamed']) await put(fs, `${directory}/${name}`, '')
      await fs.syncDirectory(directory)
      await put(fs, `${directory}/made`, '')
      await fs.unlink(`${directory}/removed`)
      await fs.rename(`${directory}/renamed`, `${directory}/given`)
      await fs.syncDirectory(directory)
      await cutPower()
      assert.deepEqual((await fs.readdir(directory)).toSorted(), ['given', 'made'])
    },
  },
  {
    name: 'unlink and rename without syncDirectory do not outlive a power cut',
    async run({ fs, directory, cutPower }) {
      for (const name of ['removed', 'renamed']) await put(fs, `${directory}/${name}`, '')
      await fs.syncDirectory(directory)
      await fs.unlink(`${directory}/removed`)
      await fs.rename(`${directory}/renamed`, `${directory}/given`)
      await cutPower()
      assert.deepEqual((await fs.readdir(directory)).toSorted(), ['removed', 'renamed'])
    },
  },
  {
    name: 'rename of a directory outlives a power cut after syncDirectory, with what was durable in it',
    async run({ fs, directory, cutPower }) {
      await fs.mkdir(`${directory}/a/b`)
      await put(fs, `${directory}/a/b/durable`, '')
      await fs.syncDirectory(`${directory}/a/b`)
      await fs.rename(`${directory}/a`, `${directory}/c`)
      await fs.syncDirectory(directory)
      await put(fs, `${directory}/c/b/lost`, '')
      await cutPower()
      assert.deepEqual(await fs.readdir(directory), ['c'])
      assert.deepEqual(await fs.readdir(`${directory}/c/b`), ['durable'])
    },
  },
  {
    name: 'rename of a directory without syncDirectory does not outlive a power cut, but what is synced in it does',
    async run({ fs, directory, cutPower }) {
      await fs.mkdir(`${directory}/a`)
      await fs.rename(`${directory}/a`, `${directory}/c`)
      await put(fs, `${directory}/c/file`, '')
      await fs.syncDirectory(`${directory}/c`)
      await cutPower()
      assert.deepEqual(await fs.readdir(directory), ['a'])
      assert.deepEqual(await fs.readdir(`${directory}/a`), ['file'])
    },
  },
  {
    name: 'rmdir and link outlive a power cut only after syncDirectory',
    async run({ fs, directory, cutPower }) {
      await fs.mkdir(`${directory}/a`)
      await put(fs, `${directory}/one`, '')
      await fs.syncDirectory(directory)
      for (const synced of [false, true]) {
        await fs.rmdir(`${directory}/a`)
        await fs.link(`${directory}/one`, `${directory}/two`)
        if (synced) await fs.syncDirectory(directory)
        await cutPower()
        assert.deepEqual((await fs.readdir(directory)).toSorted(), synced ? ['one', 'two'] : ['a', 'one'])
      }
      assert.equal((await fs.stat(`${directory}/one`)).links, 2)
    },
  },
  {
    name: 'link makes nothing in the file durable, and what is made durable under one name is durable under the other',
    async run({ fs, directory, cutPower }) {
      await withFile(fs, { path: `${directory}/one`, mode: 'create' }, async (file) => {
        await file.writeDurable([bytesOf('durable')], 0)
        await file.write([bytesOf(' lost')], 7)
      })
      await fs.link(`${directory}/one`, `${directory}/two`)
      await fs.syncDirectory(directory)
      await cutPower()
      assert.equal(await content(fs, `${directory}/two`), 'durable')
      await withFile(fs, { path: `${directory}/one`, mode: 'read-write' }, (file) =>
        file.writeDurable([bytesOf(' and more')], 7),
      )
      await cutPower()
      assert.equal(await content(fs, `${directory}/two`), 'durable and more')
    },
  },
  {
    name: 'mkdir makes every directory that it created durable',
    async run({ fs, directory, cutPower }) {
      await fs.mkdir(`${directory}/a/b/c`)
      await cutPower()
      assert.equal((await fs.stat(`${directory}/a/b/c`)).kind, 'directory')
    },
  },
  {
    name: 'handles and locks are dead after a power cut',
    async run({ fs, directory, cutPower }) {
      await put(fs, `${directory}/file`, '')
      await fs.syncDirectory(directory)
      const file = await fs.open(`${directory}/file`, 'read-write')
      const lock = await fs.lock(`${directory}/file`)
      await cutPower()
      await rejectsWith('EBADF', file.read(new Uint8Array(1), 0))
      await rejectsWith('EBADF', file.write([bytesOf('x')], 0))
      await rejectsWith('EBADF', file.sync())
      await rejectsWith('EBADF', file.writeDurable([bytesOf('x')], 0))
      await rejectsWith('EBADF', file.truncate(0))
      await rejectsWith('EBADF', file.size())
      await rejectsWith('EBADF', file.close())
      await fs.lock(`${directory}/file`)
      await lock.release()
      await rejectsWith('ELOCKED', fs.lock(`${directory}/file`))
    },
  },
]
