/** Conformance: watching a directory. A missing call shows as a test that never ends. */
import assert from 'node:assert/strict'
import type { FileHandle, FileSystem } from '../file-system.ts'
import type { FileSystemTest } from './fixtures.ts'
import { bytesOf, put, rejectsWith, withFile } from './fixtures.ts'

/** Records the calls of a watch. */
class Ear {
  calls = 0
  #heard = 0
  #wake: (() => void) | undefined

  readonly hear = (): void => {
    this.calls++
    this.#wake?.()
  }

  /** Resolves at the first call since the previous one, which may have come already. */
  async next(): Promise<void> {
    if (this.calls === this.#heard) await new Promise<void>((resolve) => (this.#wake = resolve))
    this.#heard = this.calls
  }
}

type Change = readonly [name: string, change: (fs: FileSystem, directory: string) => Promise<void>]

/** On a directory that holds the file `there`, of four bytes. */
const nameChanges: readonly Change[] = [
  ['a file is made', (fs, directory) => put(fs, `${directory}/new`, '')],
  ['a file is removed', (fs, directory) => fs.unlink(`${directory}/there`)],
  ['a file gets another name', (fs, directory) => fs.rename(`${directory}/there`, `${directory}/here`)],
  ['a file is moved in', (fs, directory) => fs.rename(`${directory}/../outside`, `${directory}/there`)],
  ['a directory is made', (fs, directory) => fs.mkdir(`${directory}/sub`)],
]

type Write = readonly [name: string, write: (file: FileHandle) => Promise<void>]

const writes: readonly Write[] = [
  ['write', (file) => file.write([bytesOf('more')], 4)],
  ['write over what is there', (file) => file.write([bytesOf('x')], 0)],
  ['writeDurable', (file) => file.writeDurable([bytesOf('more')], 4)],
  ['truncate', (file) => file.truncate(1)],
]

/** Changes of the path `above/between/watched`. */
const pathChanges: readonly Change[] = [
  [
    'the directory above it is renamed',
    (fs, directory) => fs.rename(`${directory}/above/between`, `${directory}/gone`),
  ],
  ['a directory further above is renamed', (fs, directory) => fs.rename(`${directory}/above`, `${directory}/gone`)],
  [
    'a directory above it is replaced',
    async (fs, directory) => {
      await fs.rename(`${directory}/above`, `${directory}/gone`)
      await fs.rename(`${directory}/other`, `${directory}/above`)
    },
  ],
]

export const watchTests: readonly FileSystemTest[] = [
  ...nameChanges.map(([name, change]): FileSystemTest => ({
    name: `watch calls back when ${name}`,
    async run({ fs, directory }) {
      const watched = `${directory}/watched`
      await fs.mkdir(watched)
      await put(fs, `${watched}/there`, 'text')
      await put(fs, `${directory}/outside`, 'text')
      const ear = new Ear()
      const watch = await fs.watch(watched, ear.hear)
      await change(fs, watched)
      await ear.next()
      watch.close()
    },
  })),
  ...writes.map(([name, write]): FileSystemTest => ({
    name: `watch calls back after ${name} through a handle that was open before`,
    async run({ fs, directory }) {
      await put(fs, `${directory}/file`, 'text')
      await withFile(fs, { path: `${directory}/file`, mode: 'read-write' }, async (file) => {
        const ear = new Ear()
        const watch = await fs.watch(directory, ear.hear)
        await write(file)
        await ear.next()
        watch.close()
      })
    },
  })),
  {
    name: 'watch calls back again for what changes after a call',
    async run({ fs, directory }) {
      await put(fs, `${directory}/file`, '')
      const ear = new Ear()
      const watch = await fs.watch(directory, ear.hear)
      await withFile(fs, { path: `${directory}/file`, mode: 'read-write' }, async (file) => {
        for (const sizeBytes of [10, 20, 30]) {
          await file.truncate(sizeBytes)
          await ear.next()
        }
      })
      watch.close()
    },
  },
  {
    name: 'watch calls back when its directory is renamed, and then for changes in it',
    async run({ fs, directory }) {
      await fs.mkdir(`${directory}/a`)
      const ear = new Ear()
      const watch = await fs.watch(`${directory}/a`, ear.hear)
      await fs.rename(`${directory}/a`, `${directory}/b`)
      await ear.next()
      await fs.mkdir(`${directory}/a`)
      await withFile(fs, { path: `${directory}/b/file`, mode: 'create' }, async (file) => {
        await ear.next()
        await file.write([bytesOf('text')], 0)
        await ear.next()
      })
      watch.close()
    },
  },
  {
    name: 'watch calls back when another directory takes the place of its own',
    async run({ fs, directory }) {
      await fs.mkdir(`${directory}/a`)
      await fs.mkdir(`${directory}/b`)
      const ear = new Ear()
      const watch = await fs.watch(`${directory}/a`, ear.hear)
      await fs.rename(`${directory}/b`, `${directory}/a`)
      await ear.next()
      watch.close()
    },
  },
  ...pathChanges.map(([name, change]): FileSystemTest => ({
    name: `watch calls back when ${name}`,
    async run({ fs, directory }) {
      await fs.mkdir(`${directory}/above/between/watched`)
      await fs.mkdir(`${directory}/other/between/watched`)
      const ear = new Ear()
      const watch = await fs.watch(`${directory}/above/between/watched`, ear.hear)
      await change(fs, directory)
      await ear.next()
      watch.close()
    },
  })),
  {
    name: 'watch still calls back after its directory was moved away and back',
    async run({ fs, directory }) {
      await fs.mkdir(`${directory}/above/watched`)
      const ear = new Ear()
      const watch = await fs.watch(`${directory}/above/watched`, ear.hear)
      await fs.rename(`${directory}/above`, `${directory}/away`)
      await ear.next()
      await fs.rename(`${directory}/away`, `${directory}/above`)
      await ear.next()
      await put(fs, `${directory}/above/watched/file`, 'text')
      await ear.next()
      watch.close()
    },
  },
  {
    name: 'watch does not call back after close, and other watches still do',
    async run({ fs, directory }) {
      const [closed, open] = [new Ear(), new Ear()]
      const watches = [await fs.watch(directory, closed.hear), await fs.watch(directory, open.hear)]
      watches[0]?.close()
      watches[0]?.close()
      await put(fs, `${directory}/file`, 'text')
      await open.next()
      watches[1]?.close()
      assert.equal(closed.calls, 0)
    },
  },
  {
    name: 'watch does not call back for a change right before close',
    async run({ fs, directory }) {
      const [closed, open] = [new Ear(), new Ear()]
      const watches = [await fs.watch(directory, open.hear), await fs.watch(directory, closed.hear)]
      const change = put(fs, `${directory}/file`, 'text')
      watches[1]?.close()
      await change
      await open.next()
      watches[0]?.close()
      assert.equal(closed.calls, 0)
    },
  },
  {
    name: 'watch rejects with ENOENT if the path does not exist, and with ENOTDIR for a file',
    async run({ fs, directory }) {
      await put(fs, `${directory}/file`, '')
      await rejectsWith(
        'ENOENT',
        fs.watch(`${directory}/missing`, () => {}),
      )
      await rejectsWith(
        'ENOTDIR',
        fs.watch(`${directory}/file`, () => {}),
      )
      await rejectsWith(
        'ENOTDIR',
        fs.watch(`${directory}/file/below`, () => {}),
      )
    },
  },
]
