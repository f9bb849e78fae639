/** Conformance: locks. */
import assert from 'node:assert/strict'
import type { FileSystemTest } from './fixtures.ts'
import { content, put, rejectsWith } from './fixtures.ts'

export const lockTests: readonly FileSystemTest[] = [
  {
    name: 'lock creates its file, and release leaves it there',
    async run({ fs, directory }) {
      const lock = await fs.lock(`${directory}/lock`)
      await lock.release()
      assert.deepEqual(await fs.readdir(directory), ['lock'])
    },
  },
  {
    name: 'lock does not change an existing file',
    async run({ fs, directory }) {
      await put(fs, `${directory}/lock`, 'kept')
      await (await fs.lock(`${directory}/lock`)).release()
      assert.equal(await content(fs, `${directory}/lock`), 'kept')
    },
  },
  {
    name: 'lock rejects with ELOCKED while another holds it, and resolves once that is released',
    async run({ fs, directory }) {
      const first = await fs.lock(`${directory}/lock`)
      await rejectsWith('ELOCKED', fs.lock(`${directory}/lock`))
      await rejectsWith('ELOCKED', fs.lock(`${directory}/lock`))
      await first.release()
      await (await fs.lock(`${directory}/lock`)).release()
    },
  },
  {
    name: 'release does nothing a second time, even if another holds the lock',
    async run({ fs, directory }) {
      const first = await fs.lock(`${directory}/lock`)
      await first.release()
      const second = await fs.lock(`${directory}/lock`)
      await first.release()
      await rejectsWith('ELOCKED', fs.lock(`${directory}/lock`))
      await second.release()
    },
  },
  {
    name: 'a lock has the identity of its file, even if a different file has the name now',
    async run({ fs, directory }) {
      const path = `${directory}/lock`
      const lock = await fs.lock(path)
      // An implementation that cannot know it leaves it out.
      if (lock.identity === undefined) return lock.release()
      assert.equal(lock.identity, (await fs.stat(path)).identity)
      await fs.rename(path, `${directory}/moved`)
      await put(fs, path, '')
      assert.equal(lock.identity, (await fs.stat(`${directory}/moved`)).identity)
      assert.notEqual(lock.identity, (await fs.stat(path)).identity)
      await lock.release()
    },
  },
  {
    name: 'lock rejects for a directory, and if the directory above is missing',
    async run({ fs, directory }) {
      await rejectsWith('EISDIR', fs.lock(directory))
      await rejectsWith('ENOENT', fs.lock(`${directory}/missing/lock`))
    },
  },
]
