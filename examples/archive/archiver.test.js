/** Cuts the power at every moment while segments move into the archive. No record may be missing in both places. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { LogNotFoundError, WalReader, WalWriter } from '@sq/storage'
import { Archiver } from './archiver.js'

const LOG = { dataDir: '/log', maxSegmentBytes: 600 }
const ARCHIVE = { dataDir: '/archive' }
const PLACES = { log: LOG, archive: ARCHIVE, topic: 'orders', partition: 0 }
const COUNT = 12

/**
 * The numbers in a log, by offset.
 *
 * @param {InMemoryFileSystem} fs
 * @param {import('@sq/storage').WalConfig} config
 */
async function numbersIn(fs, config) {
  /** @type {Map<bigint, string>} */
  const numbers = new Map()
  try {
    const reader = await WalReader.open(fs, config, 'orders', 0)
    for await (const { offset, value } of reader.read()) numbers.set(offset, String(value))
  } catch (error) {
    if (!(error instanceof LogNotFoundError)) throw error
  }
  return numbers
}

/**
 * The numbers that are in the log or in the archive, in order.
 *
 * @param {InMemoryFileSystem} fs
 */
async function allNumbers(fs) {
  const numbers = new Map([...(await numbersIn(fs, ARCHIVE)), ...(await numbersIn(fs, LOG))])
  return Array.from(numbers.keys())
    .toSorted((a, b) => Number(a - b))
    .map((offset) => numbers.get(offset))
}

/** @param {number} count */
function firstNumbers(count) {
  return Array.from({ length: count }, (_, number) => String(number))
}

/**
 * A process that appends the missing numbers up to `COUNT`, and archives closed segments.
 *
 * @param {InMemoryFileSystem} fs
 * @param {(count: number) => void} [onAcknowledged]
 */
async function work(fs, onAcknowledged = () => {}) {
  const archiver = new Archiver(fs, PLACES)
  /** @type {Promise<void>[]} */
  const runs = []
  const onSegmentClosed = () => void runs.push(archiver.run(writer))
  const writer = await WalWriter.open(fs, LOG, 'orders', 0, { onSegmentClosed })
  runs.push(archiver.run(writer))
  while (writer.nextOffset < COUNT) {
    onAcknowledged(Number(await writer.append(null, Buffer.from(String(writer.nextOffset)), [], 0)) + 1)
  }
  await writer.closeActiveSegment()
  await Promise.all(runs)
  await writer.close()
}

test('after any power cut each record is in the log or in the archive, and in the end all are archived', async () => {
  const fs = new InMemoryFileSystem()
  const images = new Map()
  let acknowledged = 0
  fs.operations.observe(() => {
    const state = fs.crashState()
    for (const choice of state.everyChoice()) {
      const image = state.image(choice)
      images.set(image.digest(), { image, acknowledged })
    }
  })
  await work(fs, (count) => (acknowledged = count))
  assert.ok(images.size > 60)
  for (const { image, acknowledged: least } of images.values()) {
    const rebooted = new InMemoryFileSystem({ image })
    const found = await allNumbers(rebooted)
    assert.ok(found.length >= least)
    assert.deepEqual(found, firstNumbers(found.length))
    await work(rebooted)
    assert.deepEqual(Array.from((await numbersIn(rebooted, ARCHIVE)).values()), firstNumbers(COUNT))
  }
})

test('only the valid bytes of an abandoned segment are archived', async () => {
  const fs = new InMemoryFileSystem()
  const writer = await WalWriter.open(fs, LOG, 'orders', 0)
  await writer.append(null, Buffer.from('0'), [], 0)
  fs.faults.failNext('sync', 'EIO')
  await assert.rejects(writer.append(null, Buffer.from('lost'), [], 0))
  await writer.closeActiveSegment()
  await new Archiver(fs, PLACES).run(writer)
  await writer.close()
  assert.deepEqual(await numbersIn(fs, ARCHIVE), new Map([[0n, '0']]))
  await work(fs)
  assert.deepEqual(Array.from((await numbersIn(fs, ARCHIVE)).values()), firstNumbers(COUNT))
})
