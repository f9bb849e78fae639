/** `NodeFileSystem.watch` if the system has no watches left, or removes one. */
import { EventEmitter, once } from 'node:events'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { NodeFileSystem } from './node-file-system.ts'
import { systemError } from './system-error.ts'

vi.mock('node:fs', async (importOriginal) => {
  const real = await importOriginal<typeof import('node:fs')>()
  return { ...real, watch: vi.fn(real.watch) }
})

const nodeFs = new NodeFileSystem()
let directory = ''
beforeEach(() => {
  directory = fs.mkdtempSync(join(tmpdir(), 'sq-sim-'))
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
})
afterEach(() => {
  vi.useRealTimers()
  fs.rmSync(directory, { recursive: true, force: true })
})

/** Replaces a link atomically. */
function relink(target: string, link: string): void {
  fs.symlinkSync(target, `${link}.new`)
  fs.renameSync(`${link}.new`, link)
}

/** A watch of the system that fails when `errors` emits an event. */
function watchThatFails(): EventEmitter {
  const errors = new EventEmitter()
  vi.mocked(fs.watch).mockImplementationOnce(() => Object.assign(Object.create(errors), { close: () => {} }))
  return errors
}

describe.runIf(process.platform === 'linux')('NodeFileSystem.watch', () => {
  it.each(['EMFILE', 'ENOSPC', 'ENOSYS'])('calls back by a timer if the system fails with %s', async (code) => {
    vi.mocked(fs.watch).mockImplementationOnce(() => {
      throw systemError(code, { syscall: 'watch', path: directory })
    })
    const onChange = vi.fn()
    const watch = await nodeFs.watch(directory, onChange)
    vi.advanceTimersByTime(1000)
    expect(onChange).toHaveBeenCalledTimes(10)
    watch.close()
    vi.advanceTimersByTime(1000)
    expect(onChange).toHaveBeenCalledTimes(10)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('continues by a timer when the system removes the watch', async () => {
    const errors = watchThatFails()
    const onChange = vi.fn()
    const watch = await nodeFs.watch(directory, onChange)
    expect(vi.getTimerCount()).toBe(0)
    errors.emit('error', systemError('EPERM', { syscall: 'watch', path: directory }))
    vi.advanceTimersByTime(1000)
    expect(onChange).toHaveBeenCalledTimes(10)
    watch.close()
    expect(vi.getTimerCount()).toBe(0)
  })

  it('does not continue when the watch fails after close', async () => {
    const errors = watchThatFails()
    const watch = await nodeFs.watch(directory, () => {})
    watch.close()
    errors.emit('error', systemError('EPERM', { syscall: 'watch', path: directory }))
    expect(vi.getTimerCount()).toBe(0)
  })

  it.each(['ENOENT', 'EACCES'])('rejects with %s like any other call', async (code) => {
    vi.mocked(fs.watch).mockImplementationOnce(() => {
      throw systemError(code, { syscall: 'watch', path: directory })
    })
    await expect(nodeFs.watch(directory, () => {})).rejects.toMatchObject({ code })
    expect(vi.getTimerCount()).toBe(0)
  })

  it('calls back when the directory goes away, and no later error ends the process', async () => {
    const called = new Promise<void>((resolve) => {
      void nodeFs.watch(directory, resolve).then((watch) => {
        fs.rmdirSync(directory)
        return called.then(() => watch.close())
      })
    })
    await called
  })

  it('continues in a directory that was removed and created again, with the same inode number or a different one', async () => {
    const path = `${directory}/data`
    fs.mkdirSync(path)
    const changes = new EventEmitter()
    const watch = await nodeFs.watch(path, () => changes.emit('change'))
    const told = once(changes, 'change')
    fs.rmdirSync(path)
    fs.mkdirSync(path)
    await told
    // More changes than there are late notifications about the old directory.
    for (let nth = 0; nth < 20; nth++) {
      const called = once(changes, 'change')
      fs.writeFileSync(`${path}/${nth}`, '')
      await called
    }
    watch.close()
  })

  it.each<[string, (top: string) => void]>([
    ['the link at the path is switched to a different directory', (top) => relink(`${top}/b/data`, `${top}/link`)],
    ['a link above the path is switched to a different directory', (top) => relink(`${top}/b`, `${top}/via`)],
    [
      'a link in the middle of the path is switched to a different directory',
      (top) => relink(`${top}/b`, `${top}/a/on`),
    ],
    ['the directory that a link leads to is renamed', (top) => fs.renameSync(`${top}/a/data`, `${top}/a/gone`)],
    ['a link is removed', (top) => fs.unlinkSync(`${top}/link`)],
  ])('calls back when %s', async (what, change) => {
    for (const name of ['a', 'b']) fs.mkdirSync(join(directory, name, 'data'), { recursive: true })
    fs.symlinkSync('a/data', `${directory}/link`)
    fs.symlinkSync(`${directory}/a`, `${directory}/via`)
    fs.symlinkSync('../a', `${directory}/a/on`)
    const path = what.includes('above') ? 'via/data' : what.includes('middle') ? 'via/on/data' : 'link'
    const changes = new EventEmitter()
    const watch = await nodeFs.watch(join(directory, path), () => changes.emit('change'))
    for (let times = 0; times < 2; times++) {
      const called = once(changes, 'change')
      if (times === 0) change(directory)
      // The second time, a directory on the new path changes.
      else fs.renameSync(directory, `${directory}-moved`)
      await called
    }
    watch.close()
    fs.renameSync(`${directory}-moved`, directory)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('checks a path by a timer if one of its directories cannot be watched, and calls back only when the path leads to a different directory', async () => {
    fs.mkdirSync(`${directory}/data`)
    const real = vi.mocked(fs.watch).getMockImplementation()
    const refused = (): never => {
      throw systemError('EACCES', { syscall: 'watch', path: directory })
    }
    vi.mocked(fs.watch)
      .mockImplementationOnce((...args) => real?.(...args) ?? refused())
      .mockImplementationOnce(refused)
    const onChange = vi.fn()
    const watch = await nodeFs.watch(`${directory}/data`, onChange)
    expect(vi.getTimerCount()).toBe(1)
    vi.advanceTimersByTime(1000)
    expect(onChange).not.toHaveBeenCalled()
    fs.renameSync(`${directory}/data`, `${directory}/gone`)
    vi.advanceTimersByTime(100)
    expect(onChange).toHaveBeenCalled()
    watch.close()
    expect(vi.getTimerCount()).toBe(0)
  })
})
