import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readlink, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, it, test, vi } from 'vitest'
import { NodeFileSystem } from './node-file-system.ts'

let directory = ''
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sq-sim-'))
})
afterEach(() => rm(directory, { recursive: true }))

const fs = new NodeFileSystem()

/** The files in the directory of the test that this process has open. */
async function openPaths(): Promise<string[]> {
  const descriptors = await readdir('/proc/self/fd')
  const paths = await Promise.all(descriptors.map((number) => readlink(`/proc/self/fd/${number}`).catch(() => '')))
  return paths.filter((path) => path.startsWith(directory))
}

describe('NodeFileSystem', () => {
  it('names the path in errors of an open file', async () => {
    const path = join(directory, 'file')
    const file = await fs.open(path, 'create')
    await expect(file.truncate(2 ** 53 - 1)).rejects.toMatchObject({ code: 'EFBIG', path, syscall: 'ftruncate' })
    await expect(file.truncate(2 ** 53 - 1)).rejects.toThrow(`'${path}'`)
    await file.close()
  })

  it.runIf(process.platform === 'linux')('leaves no descriptor open when a call fails', async () => {
    const held = await fs.lock(join(directory, 'lock'))
    await writeFile(join(directory, 'file'), '')
    await expect(fs.open(directory, 'read')).rejects.toMatchObject({ code: 'EISDIR' })
    await expect(fs.lock(join(directory, 'lock'))).rejects.toMatchObject({ code: 'ELOCKED' })
    await expect(fs.syncDirectory(join(directory, 'file'))).rejects.toMatchObject({ code: 'ENOTDIR' })
    expect(await openPaths()).toEqual([join(directory, 'lock')])
    await held.release()
    expect(await openPaths()).toEqual([])
  })

  it('blocks the calling thread for a durable write only with blocking: true', async () => {
    const path = join(directory, 'file')
    for (const blocking of [true, false]) {
      await rm(path, { force: true })
      const file = await new NodeFileSystem({ blocking }).open(path, 'create')
      let done = false
      const written = file.writeDurable([Buffer.from('x')], 0).then(() => (done = true))
      // A thread of the pool cannot report its result before this turn of the event loop ends.
      for (let turn = 0; turn < 20; turn++) await Promise.resolve()
      expect(done).toBe(blocking)
      await written
      await file.close()
    }
  })
})

// Early versions of Node 20 allow fsync here.
test("where Node's permission model allows no fsync, making a directory durable says so", async () => {
  const program = `
    import { NodeFileSystem } from ${JSON.stringify(new URL('../dist/index.js', import.meta.url))}
    await new NodeFileSystem().syncDirectory(process.argv[1]).then(
      () => console.log('synced'),
      (error) => console.log(error.code, error.message),
    )`
  const flag = process.allowedNodeEnvironmentFlags.has('--permission') ? '--permission' : '--experimental-permission'
  const args = [flag, '--allow-fs-read=*', '--allow-fs-write=*', '--input-type=module', '-e', program, directory]
  const child = spawn(process.execPath, args, { env: {}, stdio: ['ignore', 'pipe', 'ignore'] })
  expect(await text(child.stdout)).toMatch(
    /^synced\n|^ERR_ACCESS_DENIED .*with --allow-fs-read for its directory, but not be written/,
  )
})

describe('NodeFileSystem.lock', () => {
  it('excludes other processes, and is released when its process is killed', async () => {
    const path = join(directory, 'lock')
    const program =
      `const fd = require('node:fs').openSync(process.argv[1], 'a+')\n` +
      `console.log(require(process.argv[2]).tryLock(fd))\n` +
      `setInterval(() => {}, 1000)`
    const binding = createRequire(import.meta.url).resolve('fs-native-extensions')
    const other = spawn(process.execPath, ['-e', program, path, binding], {
      env: {},
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [answer] = await once(other.stdout, 'data')
    expect(String(answer)).toBe('true\n')
    await expect(fs.lock(path)).rejects.toMatchObject({ code: 'ELOCKED' })
    other.kill('SIGKILL')
    await once(other, 'exit')
    await (await fs.lock(path)).release()
  })

  it('takes no lock with unlocked: true', async () => {
    const unlocked = new NodeFileSystem({ unlocked: true })
    const path = join(directory, 'lock')
    const first = await unlocked.lock(path)
    const second = await unlocked.lock(path)
    const real = await fs.lock(path)
    expect(await readdir(directory)).toEqual(['lock'])
    for (const lock of [first, second, real]) await lock.release()
  })

  describe('if the binding does not load', () => {
    const require = createRequire(import.meta.url)
    const binding = require.resolve('fs-native-extensions')
    const loaded = require.cache[binding]
    let failure: Error

    beforeEach(() => {
      failure = new Error('no binding for this platform')
      const broken = {
        get: () => {
          throw failure
        },
      }
      require.cache[binding] = Object.defineProperty(Object.create(loaded ?? null), 'exports', broken)
    })
    afterEach(() => {
      if (loaded) require.cache[binding] = loaded
      else delete require.cache[binding]
      vi.resetModules()
    })

    it.each([
      ['EMFILE', Object.assign(new Error('EMFILE: too many open files'), { code: 'EMFILE', syscall: 'open' })],
      ['EIO', Object.assign(new Error('EIO: i/o error'), { code: 'EIO', syscall: 'read' })],
      [
        'EMFILE',
        new Error('cannot load', { cause: new Error('a.node: cannot open shared object: Too many open files') }),
      ],
    ])('passes on what the system says, without the advice to do without locks: %s', async (code, thrown) => {
      failure = thrown
      const refused = fs.lock(join(directory, 'lock'))
      await expect(refused).rejects.toMatchObject({ code })
      await expect(refused).rejects.not.toThrow('unlocked')
    })

    it('rejects with ENOLOCK, the reason and a way to continue', async () => {
      const path = join(directory, 'lock')
      await expect(fs.lock(path)).rejects.toMatchObject({ code: 'ENOLOCK', path })
      await expect(fs.lock(path)).rejects.toThrow(/no binding for this platform.*NodeFileSystem\({ unlocked: true }\)/)
      expect(await readdir(directory)).toEqual([])
    })

    it('does everything else', async () => {
      await (await fs.open(join(directory, 'file'), 'create')).close()
      await (await new NodeFileSystem({ unlocked: true }).lock(join(directory, 'lock'))).release()
      expect((await readdir(directory)).toSorted()).toEqual(['file', 'lock'])
    })
  })
})
