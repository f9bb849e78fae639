/** An archiver whose store fails, or has an object that is no segment. */
import { beforeEach, describe, expect, test } from 'vitest'
import { sourceOf } from '../index.ts'
import { appendSegments, ArchiveFixture, settle, withTime } from './testing/archive-fixture.ts'

let archive: ArchiveFixture
beforeEach(() => {
  archive = new ArchiveFixture()
})

describe('a store that fails', () => {
  test.each([
    ['put', 'no'],
    ['put', 'yes'],
    ['put', 'late'],
    ['list', 'no'],
  ] as const)('in a %s, with effect: %s, is asked again after a delay', async (on, effect) => {
    const machine = archive.machine()
    const { writer, log } = await machine.start()
    await settle()
    archive.store.faults.add({ on, fault: { error: 'failed', effect } })
    await appendSegments(writer, 2)
    await settle()
    expect(log.stats()).toMatchObject({ uploadedSegments: 0, retries: 1, lastError: { code: 'failed' } })
    archive.store.landLate()
    await withTime(machine.clock, log.waitArchived(3n))
    expect(await archive.segments()).toEqual([0n, 2n])
    expect(log.stats()).toMatchObject({ retries: 1, lastError: null })
  })

  test('although it has stored a segment is not sent it again', async () => {
    const machine = archive.machine()
    const { writer, log } = await machine.start()
    const second = archive.store.faults.add({ on: 'put', when: { nth: 2 }, fault: { error: 'denied' } })
    archive.store.faults.add({ on: 'put', fault: { error: 'failed', effect: 'yes' } })
    await appendSegments(writer, 1)
    await withTime(machine.clock, log.waitArchived(1n))
    expect(second.hits).toBe(0)
  })

  test('for long is asked less and less often, and at least every 30 seconds', async () => {
    const machine = archive.machine()
    const outage = archive.store.faults.add({ on: ['put', 'list', 'head'], when: 'always', fault: { error: 'denied' } })
    const { writer, log } = await machine.start()
    await appendSegments(writer, 1)
    for (let second = 0; second < 300; second++) {
      await settle()
      machine.clock.advance(1000)
    }
    expect(log.stats().retries).toBeGreaterThan(14)
    expect(log.stats().retries).toBeLessThan(32)
    expect(log.archivedOffset).toBe(0n)
    outage.remove()
    machine.clock.advance(30_000)
    await log.waitArchived(1n)
  })

  test('to give the bytes of an object that it has does not fence the writer', async () => {
    const machine = archive.machine()
    const { writer, log } = await machine.start()
    archive.store.faults.add({ on: 'put', fault: { error: 'failed', effect: 'yes' } })
    archive.store.faults.add({ on: 'get', fault: { flipBit: 77 } })
    archive.store.faults.add({ on: 'get', when: { nth: 4 }, fault: { shortBytes: 3 } })
    await appendSegments(writer, 1)
    await withTime(machine.clock, log.waitArchived(1n))
    expect(archive.stopped).toEqual([])
    expect(log.stats().retries).toBeGreaterThan(1)
  })
})

test('an object that is no segment, where the next one belongs, is reported until it is removed', async () => {
  const machine = archive.machine()
  const { writer, log } = await machine.start()
  await settle()
  const key = 'main/orders/0/00000000000000000000.wal'
  await archive.store.put(key, sourceOf(Buffer.from('<html>')))
  await appendSegments(writer, 1)
  await settle()
  expect(log.stats().lastError).toMatchObject({ code: 'SQ_ARCHIVE_DAMAGED', key })
  await archive.store.delete(key)
  await withTime(machine.clock, log.waitArchived(1n))
})
