/** Copies of a log that is being written, as `cp -a` makes them: files in any order, each in pieces. */
import { join } from 'node:path'
import { Random } from '@sq/sim'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { describe, expect, it } from 'vitest'
import { repair, verify } from '../index.ts'
import type { LogReport } from '../index.ts'
import { append, appendEach, LogFixture, numbered } from '../testing/log-fixture.ts'

/** The size of each read, and the action before it. */
interface Copying {
  readonly pieceBytes: number
  readonly meanwhile: () => Promise<unknown>
}

/** Copies files that were listed before. Files that are gone are left out, as `cp` does. */
async function copy(log: LogFixture, names: readonly string[], copying: Copying): Promise<LogFixture> {
  const copied = new LogFixture(log.config, new InMemoryFileSystem())
  await copied.makeSegments()
  for (const name of names.filter((listed) => listed.endsWith('.wal'))) {
    await copying.meanwhile()
    const content = await readInPieces(log, join(log.directory, name), copying).catch(() => null)
    if (content !== null) await copied.make(join(copied.directory, name), content)
  }
  return copied
}

async function readInPieces(log: LogFixture, path: string, { pieceBytes, meanwhile }: Copying): Promise<Buffer> {
  const source = await log.fs.open(path, 'read')
  const pieces: Buffer[] = []
  for (let position = 0; ; position += pieceBytes) {
    const piece = Buffer.alloc(pieceBytes)
    const bytesRead = await source.read(piece, position)
    pieces.push(piece.subarray(0, bytesRead))
    if (bytesRead < pieceBytes) break
    await meanwhile()
  }
  await source.close()
  return Buffer.concat(pieces)
}

async function problemsOf({ fs, config }: LogFixture): Promise<LogReport['problems']> {
  return (await verify(fs, config, 'orders', 0)).problems
}

/** Drops everything from the first damage on. */
async function dropDamage(log: LogFixture): Promise<void> {
  for (;;) {
    const [problem] = await problemsOf(log)
    if (problem === undefined) return
    await repair(log.fs, log.config, 'orders', 0, { problem, repair: 'drop-from' })
  }
}

/** Returns a function that runs the action only the second time that it is called. */
function secondTime(action: () => Promise<unknown>): () => Promise<unknown> {
  let calls = 0
  return async () => (calls++ === 1 ? await action() : null)
}

/** A log with some segments, and a copy of it that was made while a writer was appending. */
async function copiedWhileAppending(seed: number, pieceBytes: number) {
  const random = new Random(seed)
  const log = new LogFixture({ maxSegmentBytes: 20_000 })
  const writer = await log.open()
  const appendSome = async (count: number): Promise<void> => {
    for (let made = 0; made < count; made++) await append(writer, `${seed} ${'x'.repeat(random.int(900))}`)
  }
  await appendSome(1 + random.int(120))
  const acknowledged = await log.values()
  const names = await log.fs.readdir(log.directory)
  let turns = 30
  const copied = await copy(log, order(names, random), {
    pieceBytes,
    meanwhile: () => appendSome(turns-- > 0 ? random.int(3) : 0),
  })
  await writer.close()
  return { acknowledged, copied }
}

function order(names: readonly string[], random: Random): string[] {
  const left = [...names]
  return names.map(() => left.splice(random.int(left.length), 1).join(''))
}

describe('a copy of a log, made while its writer appends,', () => {
  it.each([512, 4096, 65_536])(
    'holds all that was acknowledged before, in any order of files, read %d bytes at a time',
    async (pieceBytes) => {
      for (let seed = 0; seed < 10; seed++) {
        const { acknowledged, copied } = await copiedWhileAppending(seed, pieceBytes)
        await dropDamage(copied)
        expect(await problemsOf(copied)).toEqual([])
        const writer = await copied.open()
        expect((await copied.values()).slice(0, acknowledged.length)).toEqual(acknowledged)
        await writer.close()
      }
    },
  )

  it('may be damaged behind that, where a later commit was copied without an earlier one', async () => {
    const log = new LogFixture()
    const writer = await log.open()
    await appendEach(writer, ['x'.repeat(5000), 'small: preallocates'])
    const next = writer.nextOffset
    const copied = await copy(log, await log.segmentNames(), {
      pieceBytes: 5632,
      meanwhile: secondTime(() => appendEach(writer, numbered(20))),
    })
    expect(await problemsOf(copied)).toMatchObject([
      { kind: 'frame', firstOffset: next, repairs: [{ kind: 'drop-from' }] },
    ])
  })

  it('lacks a segment in the middle if the oldest are deleted during the copy', async () => {
    const log = new LogFixture()
    const writer = await log.open()
    for (const value of ['a', 'b', 'c']) {
      await append(writer, value)
      await writer.closeActiveSegment()
    }
    const copied = await copy(log, await log.segmentNames(), {
      pieceBytes: 65_536,
      meanwhile: secondTime(() => writer.deleteSegments({ belowOffset: 2n })),
    })
    expect(await problemsOf(copied)).toMatchObject([{ kind: 'missing', repairs: [{}, { kind: 'drop-through' }] }])
  })
})
