/** A relative path is resolved once. A later change or removal of the working directory has no effect. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { NodeFileSystem } from '@sq/sim'
import { afterEach, expect, onTestFinished, test, vi } from 'vitest'
import {
  dumpSegment,
  listExpired,
  listPartitions,
  listSegments,
  repair,
  verify,
  WalReader,
  WalWriter,
} from '../index.ts'
import { append, LogFixture } from '../testing/log-fixture.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

function goTo(directory: string): void {
  vi.spyOn(process, 'cwd').mockReturnValue(directory)
}

function loseWorkingDirectory(): void {
  vi.spyOn(process, 'cwd').mockImplementation(() => {
    throw Object.assign(new Error('ENOENT: no such file or directory, uv_cwd'), { code: 'ENOENT', syscall: 'uv_cwd' })
  })
}

/** The number of parts of a dump that is iterated later. */
async function partsOf(dump: ReturnType<typeof dumpSegment>): Promise<number> {
  await Promise.resolve()
  let parts = 0
  for await (const part of dump) parts += part.to > part.from ? 1 : 0
  return parts
}

const RELATIVE = { dataDir: 'data', maxSegmentBytes: 1 }
type Reading = (log: LogFixture) => Promise<unknown>

const READINGS: [string, Reading][] = [
  ['listSegments', (log) => listSegments(log.fs, RELATIVE, 'orders', 0)],
  ['listPartitions', (log) => listPartitions(log.fs, RELATIVE)],
  ['listExpired', (log) => listExpired(log.fs, RELATIVE, 'orders', 0, { policy: { belowOffset: 9n }, nowMs: 0 })],
  ['verify', (log) => verify(log.fs, RELATIVE, 'orders', 0)],
  ['dumpSegment', (log) => partsOf(dumpSegment(log.fs, 'data/orders/0/00000000000000000000.wal'))],
  ['WalReader.open', (log) => WalReader.open(log.fs, RELATIVE, 'orders', 0)],
]

test('a writer and a reader keep the directory in which they were opened, across rotation, truncation and closing', async () => {
  const log = new LogFixture()
  goTo('/here')
  const writer = await WalWriter.open(log.fs, RELATIVE, 'orders', 0)
  await append(writer, 'a')
  const reader = await WalReader.open(log.fs, RELATIVE, 'orders', 0)
  goTo('/other')
  for (const value of ['b', 'c', 'd']) await append(writer, value)
  await writer.truncate(3n)
  expect(await writer.deleteSegments({ belowOffset: 1n })).toHaveLength(1)
  const values: string[] = []
  for await (const { value } of reader.read()) values.push(String(value))
  expect(values).toEqual(['b', 'c'])
  await writer.close()
  expect(await log.fs.readdir('/')).toEqual(['here'])
})

test.each(READINGS)('%s uses the directory of its call', async (_, reading) => {
  const log = new LogFixture()
  goTo('/here')
  const writer = await WalWriter.open(log.fs, RELATIVE, 'orders', 0)
  await append(writer, 'a')
  await writer.close()
  const looking = reading(log)
  goTo('/other')
  await looking
})

test('repair works on the log that its call named', async () => {
  const log = new LogFixture()
  goTo('/')
  const writer = await WalWriter.open(log.fs, RELATIVE, 'orders', 0)
  for (const value of ['a', 'b', 'c']) await append(writer, value)
  await writer.close()
  const damaged = await log.file(log.path(1))
  damaged.fill(0xff, 0, 8)
  await log.overwrite(log.path(1), damaged)
  const [problem] = (await verify(log.fs, RELATIVE, 'orders', 0)).problems
  if (problem === undefined) expect.unreachable('no problem was found')
  const repairing = repair(log.fs, RELATIVE, 'orders', 0, { problem, repair: 'drop-from' })
  goTo('/other')
  await repairing
  goTo('/')
  expect((await verify(log.fs, RELATIVE, 'orders', 0)).problems).toEqual([])
})

test('an absolute path needs no working directory', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'sq-storage-'))
  onTestFinished(() => rm(dataDir, { recursive: true }))
  loseWorkingDirectory()
  const [fs, config] = [new NodeFileSystem(), { dataDir, maxSegmentBytes: 1 }]
  const writer = await WalWriter.open(fs, config, 'orders', 0)
  for (const value of ['a', 'b']) await append(writer, value)
  await writer.close()
  expect(await listSegments(fs, config, 'orders', 0)).toHaveLength(2)
})

test('a relative path without a working directory is refused, and says so', async () => {
  loseWorkingDirectory()
  const log = new LogFixture()
  await expect(WalWriter.open(log.fs, RELATIVE, 'orders', 0)).rejects.toMatchObject({
    code: 'SQ_WAL_IO',
    path: 'data',
    cause: { code: 'ENOENT' },
  })
})
