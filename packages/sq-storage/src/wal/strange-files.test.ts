/** A log on a real disk in which a file is not a regular file, or a directory is not a directory. */
import { execFileSync } from 'node:child_process'
import * as nodeFs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { NodeFileSystem } from '@sq/sim'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { dumpSegment, listPartitions, listSegments, repair, verify, WalReader, WalWriter } from '../index.ts'

const fs = new NodeFileSystem()
let root = ''
let config = { dataDir: '' }
let directory = ''

beforeEach(async () => {
  root = nodeFs.mkdtempSync(join(tmpdir(), 'sq-wal-'))
  config = { dataDir: join(root, 'data') }
  directory = join(config.dataDir, 'orders', '0')
  for (const value of ['one', 'two', 'three']) {
    const writer = await WalWriter.open(fs, { ...config, maxSegmentBytes: 4096 }, 'orders', 0)
    await writer.append(null, Buffer.alloc(4000, value), [], 0)
    await writer.append(null, Buffer.from(value), [], 0)
    await writer.close()
  }
})
afterEach(() => nodeFs.rmSync(root, { recursive: true }))

function segmentPaths(): string[] {
  const names = nodeFs.readdirSync(directory).filter((name) => name.endsWith('.wal'))
  return names.toSorted().map((name) => join(directory, name))
}

async function count(things: AsyncIterable<unknown>): Promise<number> {
  const all: unknown[] = []
  for await (const thing of things) all.push(thing)
  return all.length
}

async function readAll(): Promise<number> {
  const reader = await WalReader.open(fs, config, 'orders', 0)
  try {
    return await count(reader.read())
  } finally {
    await reader.close()
  }
}

const KINDS = [
  ['FIFO', 'EFTYPE', (path: string) => execFileSync('mkfifo', [path], { env: {} })],
  ['link to a copy', 'ELOOP', (path: string) => nodeFs.symlinkSync(`${path}.moved`, path)],
  ['link to a device', 'ELOOP', (path: string) => nodeFs.symlinkSync('/dev/zero', path)],
  ['directory', 'EISDIR', (path: string) => nodeFs.mkdirSync(path)],
] as const

/** Renames a file, and puts something else in its place. */
function replace(path: string, make: (path: string) => unknown): void {
  if (nodeFs.existsSync(path)) nodeFs.renameSync(path, `${path}.moved`)
  make(path)
}

describe.runIf(process.platform === 'linux').each(KINDS)('a segment that is a %s', (_, code, make) => {
  it.each([0, 1, -1])('is a problem for verify, and an error for readers and writers: segment %d', async (nth) => {
    const path = segmentPaths().at(nth) ?? ''
    replace(path, make)
    const refusal = { code: 'SQ_WAL_IO', path, cause: { code } }
    // As often as the pool has threads, all of which could be blocked.
    for (let time = 0; time < 4; time++) {
      await expect(readAll()).rejects.toMatchObject(refusal)
      await expect(listSegments(fs, config, 'orders', 0)).rejects.toMatchObject(refusal)
      await expect(count(dumpSegment(fs, path))).rejects.toMatchObject(refusal)
      await expect(WalWriter.open(fs, config, 'orders', 0)).rejects.toMatchObject(refusal)
      const { problems } = await verify(fs, config, 'orders', 0)
      expect(problems).toMatchObject([
        { kind: 'not-a-file', path, from: 0, to: 0, reason: expect.stringContaining(code) },
      ])
    }
  })
})

describe.runIf(process.platform === 'linux')('a segment that is a FIFO', () => {
  it('can be quarantined with everything before it, unopened', async () => {
    const path = segmentPaths()[0] ?? ''
    replace(path, (at) => execFileSync('mkfifo', [at], { env: {} }))
    const [problem] = (await verify(fs, config, 'orders', 0)).problems
    expect(problem?.repairs.map(({ kind }) => kind)).toEqual(['drop-through'])
    if (problem === undefined) return
    const { quarantined } = await repair(fs, config, 'orders', 0, { problem, repair: 'drop-through' })
    expect(quarantined.map((at) => nodeFs.lstatSync(at).isFIFO())).toEqual([true])
    expect((await verify(fs, config, 'orders', 0)).problems).toEqual([])
  })
})

describe.runIf(process.platform === 'linux').each(KINDS)('a lock that is a %s', (_, code, make) => {
  it('allows no writer, and all readers', async () => {
    const path = join(directory, 'lock')
    replace(path, make)
    for (let time = 0; time < 4; time++) {
      await expect(WalWriter.open(fs, config, 'orders', 0)).rejects.toMatchObject({
        code: 'SQ_WAL_IO',
        path,
        cause: { code },
      })
    }
    expect(await readAll()).toBe(6)
    expect((await verify(fs, config, 'orders', 0)).problems).toEqual([])
  })
})

describe.runIf(process.platform === 'linux').each(KINDS)('a half-made segment that is a %s', (kind, code, make) => {
  it('is removed by name, unless it is a directory', async () => {
    const path = join(directory, 'next.tmp')
    nodeFs.writeFileSync(`${path}.moved`, 'kept')
    make(path)
    const opened = WalWriter.open(fs, config, 'orders', 0)
    if (kind === 'directory') {
      await expect(opened).rejects.toMatchObject({ code: 'SQ_WAL_IO', path, cause: { code } })
    } else {
      await (await opened).close()
      expect(nodeFs.existsSync(path)).toBe(false)
      expect(nodeFs.readFileSync(`${path}.moved`, 'utf8')).toBe('kept')
    }
  })
})

describe('a link', () => {
  const uses = [
    ['a writer', () => WalWriter.open(fs, config, 'orders', 0)],
    ['a reader', () => WalReader.open(fs, config, 'orders', 0)],
    ['verify', () => verify(fs, config, 'orders', 0)],
    ['listing', () => listSegments(fs, config, 'orders', 0)],
  ] as const

  it.each([
    ["the topic's directory", '..', 'away'],
    ["the partition's directory", '.', 'away'],
    ["the topic's directory, leading nowhere", '..', 'nowhere'],
    ["the topic's directory, leading to itself", '..', 'orders'],
  ])('that is %s is refused with what to do, and nothing is made behind it', async (_, above, target) => {
    const path = join(directory, above)
    const away = join(root, 'away')
    nodeFs.renameSync(path, away)
    nodeFs.symlinkSync(target === 'orders' ? target : join(root, target), path)
    const before = nodeFs.readdirSync(away)
    for (const [, use] of uses) {
      await expect(use()).rejects.toMatchObject({ code: 'SQ_WAL_IO', path, cause: { code: 'ELOOP' } })
      await expect(use()).rejects.toThrow(
        /ELOOP: it is a symbolic link, .* move the directory that it leads to here, or make the data/,
      )
    }
    expect(nodeFs.readdirSync(away)).toEqual(before)
    expect(nodeFs.existsSync(join(root, 'nowhere'))).toBe(false)
  })

  it.each([
    ['a topic', 'latest', 'notes.txt', null],
    ['a topic', 'latest', 'nowhere', null],
    ['a topic', 'latest', 'notes.txt/nowhere', null],
    ['a topic', 'latest', 'orders', 'ELOOP'],
    ['a topic', 'latest', 'latest', 'ELOOP'],
    ['a partition', 'orders/7', '../notes.txt', null],
    ['a partition', 'orders/7', 'nowhere', null],
    ['a partition', 'orders/7', '0', 'ELOOP'],
    ['a partition', 'orders/7', '7', 'ELOOP'],
  ])('in the place of %s, %s -> %s, is listed only where a log may be behind it: %s', async (_, name, target, code) => {
    nodeFs.writeFileSync(join(config.dataDir, 'notes.txt'), '')
    const path = join(config.dataDir, name)
    nodeFs.symlinkSync(target, path)
    const found = await listPartitions(fs, config)
    expect(found.filter(({ error }) => error === undefined)).toEqual([{ topic: 'orders', partition: 0 }])
    const failed = found.filter(({ error }) => error !== undefined)
    expect(failed).toMatchObject(code === null ? [] : [{ error: { code: 'SQ_WAL_IO', path, cause: { code } } }])
    expect(failed).toHaveLength(code === null ? 0 : 1)
  })

  it('that is the data directory, or above it, is followed', async () => {
    nodeFs.symlinkSync(root, join(root, 'root'))
    nodeFs.symlinkSync(config.dataDir, join(root, 'link'))
    for (const dataDir of [join(root, 'link'), join(root, 'root', 'link'), join(root, 'root', 'data')]) {
      const writer = await WalWriter.open(fs, { dataDir }, 'orders', 0)
      await writer.append(null, Buffer.from('more'), [], 0)
      await writer.close()
      expect((await verify(fs, { dataDir }, 'orders', 0)).problems).toEqual([])
    }
    expect(await readAll()).toBe(9)
  })
})

// Other systems (macOS) do not allow this name.
it.runIf(process.platform === 'linux')(
  'a file name that is not UTF-8 is ignored, and verify notes the file as unknown',
  async () => {
    const before = await readAll()
    const segments = segmentPaths().length
    for (const [above, name] of [
      [directory, '9.wal'],
      [join(directory, '..'), '1'],
      [config.dataDir, 'topic'],
    ] as const) {
      nodeFs.mkdirSync(Buffer.concat([Buffer.from(join(above, 'x')), Buffer.from([0xff]), Buffer.from(name)]))
    }
    const writer = await WalWriter.open(fs, config, 'orders', 0)
    await writer.close()
    expect(await listPartitions(fs, config)).toEqual([{ topic: 'orders', partition: 0 }])
    expect(await readAll()).toBe(before)
    expect(await listSegments(fs, config, 'orders', 0)).toHaveLength(segments)
    const { problems, notes } = await verify(fs, config, 'orders', 0)
    expect(problems).toEqual([])
    expect(notes).toMatchObject([{ kind: 'unknown-file', path: join(directory, 'x\ufffd9.wal') }])
  },
)
