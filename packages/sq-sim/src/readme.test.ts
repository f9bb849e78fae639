/** Runs the snippets of the README, word for word, with a broker that stores lines in a file. */
import { expect, it } from 'vitest'
import type { FileHandle, FileSystem } from './index.ts'
import { Random } from './index.ts'
import { InMemoryFileSystem } from './memory/index.ts'
import type { CrashImage } from './memory/index.ts'

class Broker {
  readonly #file: FileHandle

  private constructor(file: FileHandle) {
    this.#file = file
  }

  static async open(fs: FileSystem, directory: string): Promise<Broker> {
    await fs.mkdir(directory)
    const path = `${directory}/lines`
    const isNew = !(await fs.readdir(directory)).includes('lines')
    const file = await fs.open(path, isNew ? 'create' : 'read-write')
    await fs.syncDirectory(directory)
    return new Broker(file)
  }

  async publish(line: string): Promise<void> {
    await this.#file.writeDurable([Buffer.from(`${line}\n`)], await this.#file.size())
  }

  async messages(): Promise<string[]> {
    const content = Buffer.alloc(await this.#file.size())
    await this.#file.read(content, 0)
    return content.toString().split('\n')
  }
}

it('keeps what it acknowledged, whatever a power cut leaves of the rest', async () => {
  const fs = new InMemoryFileSystem()
  const broker = await Broker.open(fs, '/data')
  await broker.publish('one')
  const held = fs.faults.hold('sync')
  broker.publish('two').catch(() => {}) // stopped just before it would be durable
  await held.reached
  const state = fs.crashState()
  for (const choice of state.everyChoice()) {
    const rebooted = new InMemoryFileSystem({ image: state.image(choice) })
    expect(await (await Broker.open(rebooted, '/data')).messages()).toContain('one')
  }
})

it('goes through every moment of a run', async () => {
  const fs = new InMemoryFileSystem()
  const images = new Map<string, CrashImage>()
  fs.operations.observe(() => {
    const state = fs.crashState()
    for (const choice of state.everyChoice()) {
      const image = state.image(choice)
      images.set(image.digest(), image)
    }
  })
  await (await Broker.open(fs, '/data')).publish('one')
  expect(images.size).toBeGreaterThan(3)
})

it('makes operations fail', async () => {
  const fs = new InMemoryFileSystem()
  const random = new Random(1)
  const broker = await Broker.open(fs, '/data')
  fs.faults.failNext('sync', 'EIO')
  fs.faults.failAlways(['write', 'create'], 'ENOSPC').remove()
  fs.faults.add({ on: 'read', path: /\.wal$/, when: { chance: 0.01, random }, fault: { flipBit: 7 } })
  await expect(broker.publish('one')).rejects.toMatchObject({ code: 'EIO' })
  expect(await broker.messages()).toContain('one')
})
