/** Conformance: reading and writing through a handle. */
import assert from 'node:assert/strict'
import type { FileHandle } from '../file-system.ts'
import type { FileSystemTest, FileSystemUnderTest } from './fixtures.ts'
import { bytesOf, content, put, rejectsWith, textOf, withFile } from './fixtures.ts'

/** A test on a new file, open for reading and writing. */
function onFile(name: string, use: (file: FileHandle, under: FileSystemUnderTest) => Promise<void>): FileSystemTest {
  return {
    name,
    run: (under) => withFile(under.fs, { path: `${under.directory}/file`, mode: 'create' }, (file) => use(file, under)),
  }
}

type Call = readonly [name: string, use: (file: FileHandle) => Promise<unknown>]

const writingCalls: readonly Call[] = [
  ['write', (file) => file.write([bytesOf('x')], 0)],
  ['writeDurable', (file) => file.writeDurable([bytesOf('x')], 0)],
  ['truncate', (file) => file.truncate(0)],
]

const otherCalls: readonly Call[] = [
  ['read', (file) => file.read(new Uint8Array(1), 0)],
  ['sync', (file) => file.sync()],
  ['size', (file) => file.size()],
  ['identity', (file) => file.identity()],
]

export const handleTests: readonly FileSystemTest[] = [
  onFile('write puts buffers one after another at a position', async (file) => {
    await file.write([bytesOf('0123456789')], 0)
    await file.write([bytesOf('ab'), new Uint8Array(0), bytesOf('c')], 4)
    assert.equal(await textOf(file), '0123abc789')
  }),
  onFile('write past the end fills the gap with zeros', async (file) => {
    await file.write([bytesOf('x')], 3)
    assert.equal(await textOf(file), '\0\0\0x')
  }),
  onFile('write takes more buffers than one system call does', async (file) => {
    const buffers = Array.from({ length: 2500 }, (_, i) => bytesOf(String.fromCodePoint(i % 256)))
    await file.write(buffers, 1)
    await file.writeDurable(buffers, 2501)
    assert.equal(await textOf(file), Buffer.concat([bytesOf('\0'), ...buffers, ...buffers]).toString('latin1'))
  }),
  onFile('write of nothing changes nothing', async (file) => {
    await file.write([], 10)
    await file.writeDurable([new Uint8Array(0)], 10)
    assert.equal(await file.size(), 0)
  }),
  onFile('writeDurable puts the same bytes as write', async (file, { fs, directory }) => {
    await file.writeDurable([bytesOf('dur'), bytesOf('able')], 0)
    await file.writeDurable([bytesOf('A')], 3)
    assert.equal(await content(fs, `${directory}/file`), 'durAble')
  }),
  onFile('what is written is seen at once through every handle', async (file, { fs, directory }) => {
    await withFile(fs, { path: `${directory}/file`, mode: 'read' }, async (reader) => {
      await file.write([bytesOf('seen')], 0)
      assert.equal(await textOf(reader), 'seen')
    })
  }),
  onFile('writes that overlap in time all arrive', async (file) => {
    const texts = ['a', 'b', 'c', 'd', 'e', 'f'].map((letter) => letter.repeat(600))
    await Promise.all(texts.map((text, i) => file.write([bytesOf(text)], 600 * i)))
    assert.equal(await textOf(file), texts.join(''))
  }),
  onFile('read fills the buffer, and less of it only at the end of the file', async (file) => {
    await file.write([bytesOf('0123456789')], 0)
    const buffer = Buffer.alloc(4, '.')
    assert.equal(await file.read(buffer, 3), 4)
    assert.equal(buffer.toString(), '3456')
    assert.equal(await file.read(buffer, 8), 2)
    assert.equal(buffer.toString(), '8956')
    assert.equal(await file.read(buffer, 10), 0)
    assert.equal(await file.read(buffer, 99), 0)
    assert.equal(await file.read(new Uint8Array(0), 0), 0)
  }),
  onFile('read fills a part of a larger buffer and leaves the rest alone', async (file) => {
    await file.write([bytesOf('abc')], 0)
    const whole = Buffer.alloc(6, '.')
    assert.equal(await file.read(whole.subarray(2, 4), 1), 2)
    assert.equal(whole.toString(), '..bc..')
  }),
  onFile('identity is that of its path, until another file has that path', async (file, { fs, directory }) => {
    const path = `${directory}/file`
    const identity = await file.identity()
    assert.equal((await fs.stat(path)).identity, identity)
    await put(fs, `${directory}/other`, 'other')
    await fs.rename(`${directory}/other`, path)
    assert.equal(await file.identity(), identity)
    assert.notEqual((await fs.stat(path)).identity, identity)
    await withFile(fs, { path, mode: 'read' }, async (other) => {
      assert.equal(await other.identity(), (await fs.stat(path)).identity)
    })
  }),
  onFile('truncate cuts, and grows with zeros where old bytes were', async (file) => {
    await file.write([bytesOf('0123456789')], 0)
    await file.truncate(3)
    assert.equal(await textOf(file), '012')
    await file.truncate(5)
    assert.equal(await textOf(file), '012\0\0')
    await file.truncate(0)
    assert.equal(await file.size(), 0)
    await file.sync()
  }),
  onFile('positions and sizes that no file has reject with a RangeError and change nothing', async (file) => {
    await file.write([bytesOf('kept')], 0)
    const range = { name: 'RangeError' }
    for (const position of [-1, 0.5, NaN, 2 ** 53]) {
      await assert.rejects(file.read(new Uint8Array(1), position), range)
      await assert.rejects(file.write([bytesOf('x')], position), range)
      await assert.rejects(file.writeDurable([bytesOf('x')], position), range)
      await assert.rejects(file.truncate(position), range)
    }
    assert.equal(await textOf(file), 'kept')
  }),
  {
    name: 'every writing call rejects with EBADF on a handle opened with mode read',
    async run({ fs, directory }) {
      const path = `${directory}/file`
      await put(fs, path, 'kept')
      await withFile(fs, { path, mode: 'read' }, async (file) => {
        for (const [, use] of writingCalls) await rejectsWith('EBADF', use(file))
      })
      assert.equal(await content(fs, path), 'kept')
    },
  },
  ...[...writingCalls, ...otherCalls].map(([call, use]): FileSystemTest => ({
    name: `${call} rejects with EBADF after close`,
    async run({ fs, directory }) {
      const file = await fs.open(`${directory}/file`, 'create')
      await file.close()
      await rejectsWith('EBADF', use(file))
    },
  })),
  {
    name: 'close does nothing a second time, even if its descriptor number is used again',
    async run({ fs, directory }) {
      const first = await fs.open(`${directory}/first`, 'create')
      await first.close()
      await withFile(fs, { path: `${directory}/second`, mode: 'create' }, async (second) => {
        await first.close()
        await rejectsWith('EBADF', first.write([bytesOf('x')], 0))
        await second.write([bytesOf('alive')], 0)
        assert.equal(await textOf(second), 'alive')
      })
    },
  },
  {
    name: 'close waits for the calls in flight, and later calls are rejected',
    async run({ fs, directory }) {
      const file = await fs.open(`${directory}/file`, 'create')
      const order: string[] = []
      const write = file.writeDurable([new Uint8Array(100_000)], 0).then(() => order.push('written'))
      const close = file.close().then(() => order.push('closed'))
      await rejectsWith('EBADF', file.size())
      await Promise.all([write, close])
      assert.deepEqual(order, ['written', 'closed'])
      assert.equal((await fs.stat(`${directory}/file`)).sizeBytes, 100_000)
    },
  },
]
