/** Deletions take several turns. What is appended after a truncation or a reset in the meantime is not deleted. */
import { setImmediate } from 'node:timers/promises'
import { Random } from '@sq/sim'
import type { Operation } from '@sq/sim/memory'
import { describe, expect, test } from 'vitest'
import { verify } from '../../index.ts'
import type { WalWriter } from '../../index.ts'
import { append, appendEach, LogFixture, numbered } from '../../testing/log-fixture.ts'

/** A log of 30 records in segments of ten. */
async function threeSegments(): Promise<{ log: LogFixture; writer: WalWriter }> {
  const log = new LogFixture()
  const writer = await log.open()
  for (let segment = 0; segment < 3; segment++) {
    await appendEach(writer, numbered(10))
    await writer.closeActiveSegment()
  }
  return { log, writer }
}

const deletions: [string, (writer: WalWriter) => Promise<unknown>][] = [
  ['deleteSegments', (writer) => writer.deleteSegments({ belowOffset: 30n })],
  ['deleteRecords', (writer) => writer.deleteRecords(30n)],
]
const cuts: [string, (writer: WalWriter) => Promise<void>][] = [
  ['a truncation', (writer) => writer.truncate(0n)],
  ['a reset', (writer) => writer.resetTo(0n)],
]
const both = deletions.flatMap(([name, begin]) => cuts.map(([what, cut]) => ({ name, begin, what, cut })))

test.each(both)('$name keeps what is appended after $what that was called after it', async ({ begin, cut }) => {
  const { log, writer } = await threeSegments()
  const deleted = begin(writer)
  // Deleting up to the end leaves nothing that could be truncated.
  const cutDone = cut(writer).catch((error: unknown) =>
    expect(error).toHaveProperty('code', 'SQ_WAL_OFFSET_OUT_OF_RANGE'),
  )
  const appended = [append(writer, 'first'), writer.closeActiveSegment(), append(writer, 'second')]
  const [first] = await Promise.all([...appended, deleted, cutDone])
  const values = (await log.records()).map(({ offset, value }) => [offset, String(value)])
  expect(values.slice(-2)).toEqual([
    [first, 'first'],
    [Number(first) === 30 ? 31n : 1n, 'second'],
  ])
  await writer.close()
  const again = await log.open()
  expect((await log.records()).at(-2)?.offset).toBe(first)
  await again.close()
})

/** What changes names or files of the log in other ways than a commit, with the operations by which it does. */
const changes: [string, (writer: WalWriter) => Promise<unknown>, readonly Operation[]][] = [
  ['a truncation', (writer) => writer.truncate(25n), ['truncate', 'create', 'rename', 'unlink']],
  ['a truncation at a segment', (writer) => writer.truncate(20n), ['truncate', 'create', 'rename', 'unlink']],
  ['a reset', (writer) => writer.resetTo(100n), ['create', 'rename', 'unlink']],
  ['a deletion of records', (writer) => writer.deleteRecords(15n), ['create', 'rename', 'unlink']],
  ['a checkpoint', (writer) => writer.checkpoint('/copy'), ['link']],
  ['a rotation', (writer) => rotate(writer), ['create', 'rename', 'unlink']],
  ['another deletion', (writer) => writer.deleteSegments({ belowOffset: 20n }), ['unlink']],
  ['closing', (writer) => writer.close(), ['write', 'unlink']],
]

async function rotate(writer: WalWriter): Promise<void> {
  await writer.closeActiveSegment()
  await append(writer, 'in a new segment')
}

/** A log of 30 records in segments of ten, the last active, whose writer does not know the segments before. */
async function reopened(): Promise<{ log: LogFixture; writer: WalWriter }> {
  const { log, writer } = await threeSegments()
  await append(writer, 'active')
  await writer.close()
  return { log, writer: await log.open() }
}

describe.each([
  { step: 'a segment is described', on: 'open' },
  { step: 'a segment is removed', on: 'unlink' },
  { step: 'a removal becomes durable', on: 'syncDirectory' },
] as const)('while $step', ({ on }) => {
  test.each(changes)('%s waits', async (_, change, operations) => {
    const { log, writer } = await reopened()
    const held = log.fs.faults.hold(on, on === 'syncDirectory' ? log.directory : log.path(0))
    const deleting = writer.deleteSegments({ belowOffset: 10n })
    await held.reached
    const done = change(writer)
    const { lines } = log.fs.operations.trace()
    for (let turn = 0; turn < 20; turn++) await setImmediate()
    expect(lines.filter((line) => operations.some((operation) => line.startsWith(`${operation} '`)))).toEqual([])
    held.release()
    await Promise.all([deleting, done])
    await writer.close()
    expect(await verify(log.fs, log.config, 'orders', 0)).toMatchObject({ problems: [] })
    const again = await log.open()
    await append(again, 'next')
    expect((await log.values()).at(-1)).toBe('next')
  })
})

/** A record that was acknowledged, and whether a deletion that was called after it covers it. */
interface Expected {
  readonly value: string
  mayBeGone: boolean
}

test.each(Array.from({ length: 40 }, (_, index) => ({ seed: index + 1 })))(
  'calls that overlap have the result that they have one after another (seed $seed)',
  async ({ seed }) => {
    const random = new Random(seed)
    const log = new LogFixture({ maxSegmentBytes: 400 })
    let writer = await log.open()
    const model = new Map<bigint, Expected>()
    for (let round = 0; round < 6; round++) {
      // Each call, with what it does to the model once it has succeeded.
      const calls: { made: Promise<unknown>; apply: (result: unknown) => void }[] = []
      for (let left = random.int(16); left >= 0; left--) {
        // Mostly near the beginning or the end of the log.
        const end = Number(writer.nextOffset)
        const place = BigInt(random.chance(0.5) ? random.int(4) : Math.max(end - 2, 0) + random.int(4))
        const value = `${round} ${left}`
        const cut = (): void => {
          for (const offset of model.keys()) if (offset >= place) model.delete(offset)
        }
        const cover = (): void => {
          for (const [offset, record] of model) if (offset < place) record.mayBeGone = true
        }
        const kinds = [
          {
            make: () => append(writer, value),
            apply: (at: unknown) => model.set(BigInt(String(at)), { value, mayBeGone: false }),
          },
          { make: () => writer.closeActiveSegment(), apply: () => {} },
          { make: () => writer.deleteSegments({ belowOffset: place }), apply: cover },
          { make: () => writer.deleteRecords(place), apply: cover },
          { make: () => writer.truncate(place), apply: cut },
          { make: () => writer.resetTo(place), apply: () => model.clear() },
        ]
        const kind = kinds[random.chance(0.4) ? 0 : random.int(kinds.length)] ?? expect.unreachable('there are six')
        calls.push({ made: kind.make(), apply: kind.apply })
      }
      const results = await Promise.allSettled(calls.map(({ made }) => made))
      for (const [at, result] of results.entries()) if (result.status === 'fulfilled') calls[at]?.apply(result.value)
      await expectModel(log, model)
      if (random.chance(0.3)) {
        await writer.close()
        writer = await log.open()
        await expectModel(log, model)
      }
    }
  },
)

async function expectModel(log: LogFixture, model: ReadonlyMap<bigint, Expected>): Promise<void> {
  const found = new Map((await log.records()).map(({ offset, value }) => [offset, String(value)]))
  for (const [offset, value] of found) expect([offset, value]).toEqual([offset, model.get(offset)?.value])
  for (const [offset, { mayBeGone }] of model)
    if (!mayBeGone) expect([offset, found.has(offset)]).toEqual([offset, true])
}
