/** Conformance: opening files, and everything done to names. */
import assert from 'node:assert/strict'
import type { FileSystemTest } from './fixtures.ts'
import { bytesOf, content, put, rejectsWith, textOf, withFile } from './fixtures.ts'

export const nameTests: readonly FileSystemTest[] = [
  {
    name: 'open creates an empty file with mode create',
    async run({ fs, directory }) {
      const path = `${directory}/file`
      assert.equal(await withFile(fs, { path, mode: 'create' }, (file) => file.size()), 0)
      assert.deepEqual(await fs.readdir(directory), ['file'])
    },
  },
  {
    name: 'open with mode create opens for reading and writing',
    async run({ fs, directory }) {
      await withFile(fs, { path: `${directory}/file`, mode: 'create' }, async (file) => {
        await file.write([bytesOf('both')], 0)
        assert.equal(await textOf(file), 'both')
      })
    },
  },
  {
    name: 'open with mode create rejects with EEXIST if the path exists',
    async run({ fs, directory }) {
      await put(fs, `${directory}/file`, 'kept')
      await rejectsWith('EEXIST', fs.open(`${directory}/file`, 'create'))
      await rejectsWith('EEXIST', fs.open(directory, 'create'))
      assert.equal(await content(fs, `${directory}/file`), 'kept')
    },
  },
  {
    name: 'open with modes read and read-write rejects with ENOENT if the path does not exist',
    async run({ fs, directory }) {
      await rejectsWith('ENOENT', fs.open(`${directory}/file`, 'read'))
      await rejectsWith('ENOENT', fs.open(`${directory}/file`, 'read-write'))
      await rejectsWith('ENOENT', fs.open(`${directory}/missing/file`, 'create'))
      assert.deepEqual(await fs.readdir(directory), [])
    },
  },
  {
    name: 'open with mode read-write keeps the content of the file',
    async run({ fs, directory }) {
      await put(fs, `${directory}/file`, 'kept')
      await withFile(fs, { path: `${directory}/file`, mode: 'read-write' }, (file) => file.write([bytesOf('w')], 0))
      assert.equal(await content(fs, `${directory}/file`), 'wept')
    },
  },
  {
    name: 'open rejects with EISDIR for a directory',
    async run({ fs, directory }) {
      await rejectsWith('EISDIR', fs.open(directory, 'read'))
      await rejectsWith('EISDIR', fs.open(directory, 'read-write'))
    },
  },
  {
    name: 'mkdir creates a directory and its missing parents',
    async run({ fs, directory }) {
      await fs.mkdir(`${directory}/a/b/c`)
      assert.equal((await fs.stat(`${directory}/a/b/c`)).kind, 'directory')
      assert.deepEqual(await fs.readdir(`${directory}/a`), ['b'])
    },
  },
  {
    name: 'mkdir does not change an existing directory',
    async run({ fs, directory }) {
      await put(fs, `${directory}/file`, 'kept')
      await fs.mkdir(directory)
      assert.deepEqual(await fs.readdir(directory), ['file'])
    },
  },
  {
    name: 'mkdir called twice at once creates the directory once',
    async run({ fs, directory }) {
      await Promise.all([fs.mkdir(`${directory}/a/b`), fs.mkdir(`${directory}/a/b`)])
      assert.deepEqual(await fs.readdir(`${directory}/a`), ['b'])
    },
  },
  {
    name: 'mkdir rejects with EEXIST on a file and with ENOTDIR below one',
    async run({ fs, directory }) {
      await put(fs, `${directory}/file`, '')
      await rejectsWith('EEXIST', fs.mkdir(`${directory}/file`))
      await rejectsWith('ENOTDIR', fs.mkdir(`${directory}/file/a`))
      await rejectsWith('ENOTDIR', fs.mkdir(`${directory}/file/a/b`))
    },
  },
  {
    name: 'readdir gives the names of files and directories, without . and ..',
    async run({ fs, directory }) {
      await put(fs, `${directory}/file`, '')
      await fs.mkdir(`${directory}/a`)
      assert.deepEqual((await fs.readdir(directory)).toSorted(), ['a', 'file'])
      assert.deepEqual(await fs.readdir(`${directory}/a`), [])
    },
  },
  {
    name: 'readdir rejects with ENOENT and ENOTDIR',
    async run({ fs, directory }) {
      await put(fs, `${directory}/file`, '')
      await rejectsWith('ENOENT', fs.readdir(`${directory}/missing`))
      await rejectsWith('ENOTDIR', fs.readdir(`${directory}/file`))
    },
  },
  {
    name: 'stat tells kind and size',
    async run({ fs, directory }) {
      await put(fs, `${directory}/file`, 'five!')
      const { kind, sizeBytes } = await fs.stat(`${directory}/file`)
      assert.deepEqual({ kind, sizeBytes }, { kind: 'file', sizeBytes: 5 })
      assert.equal((await fs.stat(directory)).kind, 'directory')
    },
  },
  {
    name: 'stat rejects with ENOENT if the path does not exist',
    async run({ fs, directory }) {
      await rejectsWith('ENOENT', fs.stat(`${directory}/missing`))
    },
  },
  {
    name: 'identity is the same for two spellings of a path and after a rename, and differs between files',
    async run({ fs, directory }) {
      await put(fs, `${directory}/one`, '')
      await put(fs, `${directory}/two`, '')
      const { identity } = await fs.stat(`${directory}/one`)
      assert.equal((await fs.stat(`${directory}/./one`)).identity, identity)
      assert.notEqual((await fs.stat(`${directory}/two`)).identity, identity)
      assert.notEqual((await fs.stat(directory)).identity, identity)
      await fs.rename(`${directory}/one`, `${directory}/three`)
      assert.equal((await fs.stat(`${directory}/three`)).identity, identity)
    },
  },
  {
    name: 'unlink removes the name, and an open handle continues to work',
    async run({ fs, directory }) {
      const path = `${directory}/file`
      await put(fs, path, 'gone')
      await withFile(fs, { path, mode: 'read-write' }, async (file) => {
        await fs.unlink(path)
        assert.deepEqual(await fs.readdir(directory), [])
        await put(fs, path, 'new')
        await file.writeDurable([bytesOf('!')], 4)
        assert.equal(await textOf(file), 'gone!')
      })
      assert.equal(await content(fs, path), 'new')
    },
  },
  {
    name: 'unlink rejects if the path does not exist, and for a directory',
    async run({ fs, directory }) {
      await rejectsWith('ENOENT', fs.unlink(`${directory}/missing`))
      await fs.mkdir(`${directory}/a`)
      await assert.rejects(fs.unlink(`${directory}/a`))
      assert.deepEqual(await fs.readdir(directory), ['a'])
    },
  },
  {
    name: 'rename replaces the file that had the name, and its open handles continue to work',
    async run({ fs, directory }) {
      await put(fs, `${directory}/old`, 'old')
      await put(fs, `${directory}/new`, 'new')
      await withFile(fs, { path: `${directory}/old`, mode: 'read' }, async (file) => {
        await fs.rename(`${directory}/new`, `${directory}/old`)
        assert.equal(await textOf(file), 'old')
      })
      assert.deepEqual(await fs.readdir(directory), ['old'])
      assert.equal(await content(fs, `${directory}/old`), 'new')
    },
  },
  {
    name: 'a directory in which a rename replaced a file can be removed when it is empty again',
    async run({ fs, directory }) {
      await fs.mkdir(`${directory}/a`)
      await put(fs, `${directory}/a/old`, 'old')
      await put(fs, `${directory}/a/new`, 'new')
      await fs.rename(`${directory}/a/new`, `${directory}/a/old`)
      await fs.unlink(`${directory}/a/old`)
      await fs.rmdir(`${directory}/a`)
      assert.deepEqual(await fs.readdir(directory), [])
    },
  },
  {
    name: 'rename moves a file between directories, and an open handle with it',
    async run({ fs, directory }) {
      await fs.mkdir(`${directory}/a`)
      await withFile(fs, { path: `${directory}/file`, mode: 'create' }, async (file) => {
        await fs.rename(`${directory}/file`, `${directory}/a/file`)
        await file.write([bytesOf('moved')], 0)
      })
      assert.deepEqual(await fs.readdir(directory), ['a'])
      assert.equal(await content(fs, `${directory}/a/file`), 'moved')
    },
  },
  {
    name: 'rename of a file to its own name changes nothing',
    async run({ fs, directory }) {
      await put(fs, `${directory}/file`, 'kept')
      await fs.rename(`${directory}/file`, `${directory}/./file`)
      assert.deepEqual(await fs.readdir(directory), ['file'])
      assert.equal(await content(fs, `${directory}/file`), 'kept')
    },
  },
  {
    name: 'rename rejects with ENOENT if the path does not exist, and changes nothing',
    async run({ fs, directory }) {
      await put(fs, `${directory}/file`, 'kept')
      await rejectsWith('ENOENT', fs.rename(`${directory}/missing`, `${directory}/file`))
      await rejectsWith('ENOENT', fs.rename(`${directory}/file`, `${directory}/missing/file`))
      assert.equal(await content(fs, `${directory}/file`), 'kept')
    },
  },
  {
    name: 'rename moves a directory with all that is in it, and an open handle with it',
    async run({ fs, directory }) {
      await fs.mkdir(`${directory}/a/b`)
      await fs.mkdir(`${directory}/c`)
      await put(fs, `${directory}/a/b/file`, 'here')
      const { identity } = await fs.stat(`${directory}/a`)
      await withFile(fs, { path: `${directory}/a/b/file`, mode: 'read-write' }, async (file) => {
        await fs.rename(`${directory}/a`, `${directory}/c/d`)
        await file.write([bytesOf('t')], 0)
      })
      assert.deepEqual(await fs.readdir(directory), ['c'])
      assert.equal((await fs.stat(`${directory}/c/d`)).identity, identity)
      assert.equal(await content(fs, `${directory}/c/d/b/file`), 'tere')
      await put(fs, `${directory}/c/d/b/new`, '')
      await rejectsWith('ENOENT', fs.stat(`${directory}/a`))
      await fs.mkdir(`${directory}/a`)
      assert.deepEqual(await fs.readdir(`${directory}/a`), [])
      assert.deepEqual((await fs.readdir(`${directory}/c/d/b`)).toSorted(), ['file', 'new'])
    },
  },
  {
    name: 'rename of a directory replaces an empty one, and changes nothing onto itself',
    async run({ fs, directory }) {
      await fs.mkdir(`${directory}/a`)
      await fs.mkdir(`${directory}/empty`)
      await put(fs, `${directory}/a/file`, 'here')
      await fs.rename(`${directory}/a`, `${directory}/./a`)
      await fs.rename(`${directory}/a`, `${directory}/empty`)
      assert.deepEqual(await fs.readdir(directory), ['empty'])
      assert.equal(await content(fs, `${directory}/empty/file`), 'here')
    },
  },
  {
    name: 'rename refuses impossible moves, and changes nothing',
    async run({ fs, directory }) {
      await fs.mkdir(`${directory}/full/empty`)
      await put(fs, `${directory}/file`, 'kept')
      const refused = [
        ['file', 'full/empty', 'EISDIR'],
        ['full', 'file', 'ENOTDIR'],
        ['full', 'file/below', 'ENOTDIR'],
        ['full/empty', 'full', 'ENOTEMPTY'],
        ['full', 'full/empty', 'EINVAL'],
        ['full', 'full/new', 'EINVAL'],
        ['full', 'missing/new', 'ENOENT'],
        ['missing', 'full/empty', 'ENOENT'],
      ] as const
      if (process.platform !== 'win32') {
        for (const [from, to, code] of refused)
          await rejectsWith(code, fs.rename(`${directory}/${from}`, `${directory}/${to}`))
        await rejectsWith('EBUSY', fs.rename(`${directory}/file`, '/'))
        await rejectsWith('EBUSY', fs.rename('/', `${directory}/new`))
      }
      assert.deepEqual((await fs.readdir(directory)).toSorted(), ['file', 'full'])
      assert.deepEqual(await fs.readdir(`${directory}/full`), ['empty'])
      assert.equal(await content(fs, `${directory}/file`), 'kept')
    },
  },
  {
    name: 'rmdir removes an empty directory',
    async run({ fs, directory }) {
      await fs.mkdir(`${directory}/a/b`)
      await fs.rmdir(`${directory}/a/b`)
      assert.deepEqual(await fs.readdir(`${directory}/a`), [])
      await fs.mkdir(`${directory}/a/b`)
    },
  },
  {
    name: 'rmdir refuses what is not an empty directory, and changes nothing',
    async run({ fs, directory }) {
      await put(fs, `${directory}/file`, 'kept')
      await fs.mkdir(`${directory}/full/a`)
      await rejectsWith('ENOENT', fs.rmdir(`${directory}/missing`))
      await rejectsWith('ENOTEMPTY', fs.rmdir(`${directory}/full`))
      if (process.platform !== 'win32') await rejectsWith('ENOTDIR', fs.rmdir(`${directory}/file`))
      assert.deepEqual((await fs.readdir(directory)).toSorted(), ['file', 'full'])
      assert.deepEqual(await fs.readdir(`${directory}/full`), ['a'])
    },
  },
  {
    name: 'link gives a file a second name, and both lead to the same file until one is replaced',
    async run({ fs, directory }) {
      const [one, two] = [`${directory}/one`, `${directory}/a/two`]
      await fs.mkdir(`${directory}/a`)
      await put(fs, one, 'same')
      assert.equal((await fs.stat(one)).links, 1)
      await fs.link(one, two)
      assert.deepEqual([(await fs.stat(one)).links, (await fs.stat(two)).links], [2, 2])
      assert.equal((await fs.stat(two)).identity, (await fs.stat(one)).identity)
      await withFile(fs, { path: two, mode: 'read-write' }, async (file) => {
        await file.write([bytesOf('t')], 0)
        await fs.unlink(two)
        assert.equal(await content(fs, one), 'tame')
        await file.truncate(3)
      })
      const { links, sizeBytes } = await fs.stat(one)
      assert.deepEqual({ links, sizeBytes }, { links: 1, sizeBytes: 3 })
      assert.deepEqual(await fs.readdir(`${directory}/a`), [])
    },
  },
  {
    name: 'link keeps the other name when one is removed, replaced or moved with its directory',
    async run({ fs, directory }) {
      await fs.mkdir(`${directory}/a`)
      await put(fs, `${directory}/one`, 'text')
      await fs.link(`${directory}/one`, `${directory}/a/two`)
      await fs.link(`${directory}/a/two`, `${directory}/three`)
      await fs.unlink(`${directory}/one`)
      await fs.rename(`${directory}/a`, `${directory}/b`)
      await put(fs, `${directory}/new`, 'new')
      await fs.rename(`${directory}/new`, `${directory}/three`)
      assert.equal(await content(fs, `${directory}/b/two`), 'text')
      assert.equal(await content(fs, `${directory}/three`), 'new')
      assert.equal((await fs.stat(`${directory}/b/two`)).links, 1)
    },
  },
  {
    name: 'link refuses a name that exists, a directory and a missing file',
    async run({ fs, directory }) {
      await put(fs, `${directory}/file`, 'kept')
      await fs.mkdir(`${directory}/a`)
      await rejectsWith('EEXIST', fs.link(`${directory}/file`, `${directory}/a`))
      await rejectsWith('EEXIST', fs.link(`${directory}/file`, `${directory}/file`))
      await rejectsWith('EPERM', fs.link(`${directory}/a`, `${directory}/b`))
      await rejectsWith('ENOENT', fs.link(`${directory}/missing`, `${directory}/b`))
      await rejectsWith('ENOENT', fs.link(`${directory}/file`, `${directory}/missing/b`))
      assert.deepEqual((await fs.readdir(directory)).toSorted(), ['a', 'file'])
    },
  },
  {
    name: 'rename of a file to another name of the same file changes nothing',
    async run({ fs, directory }) {
      await put(fs, `${directory}/one`, 'kept')
      await fs.link(`${directory}/one`, `${directory}/two`)
      await fs.rename(`${directory}/one`, `${directory}/two`)
      assert.deepEqual((await fs.readdir(directory)).toSorted(), ['one', 'two'])
    },
  },
  {
    name: 'space gives the free and the total bytes of the file system',
    async run({ fs, directory }) {
      await put(fs, `${directory}/file`, 'text')
      const { freeBytes, totalBytes } = await fs.space(directory)
      assert.ok(freeBytes >= 0 && totalBytes > 0 && freeBytes <= totalBytes)
      assert.ok(Number.isSafeInteger(freeBytes) && Number.isSafeInteger(totalBytes))
      assert.equal((await fs.space(`${directory}/file`)).totalBytes, totalBytes)
      await rejectsWith('ENOENT', fs.space(`${directory}/missing`))
    },
  },
  {
    name: 'syncDirectory resolves for a directory and rejects if the path does not exist',
    async run({ fs, directory }) {
      await put(fs, `${directory}/file`, '')
      await fs.syncDirectory(directory)
      if (process.platform !== 'win32') await rejectsWith('ENOENT', fs.syncDirectory(`${directory}/missing`))
    },
  },
]
