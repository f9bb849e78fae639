/**
 * Cuts the power at every moment in the life of a table, and tries every possible content of the disk. The log keeps
 * its promise with each; these tests show whether the table does. With its `replaceFile` it does; with three plausible
 * alternatives it does not.
 */
import assert from 'node:assert/strict'
import { basename, dirname } from 'node:path'
import { describe, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { OffsetOutOfRangeError } from '@sq/storage'
import { replaceFile } from './replace-file.js'
import { Table } from './table.js'

/** @typedef {import('@sq/sim').FileSystem} FileSystem */
/** @typedef {import('@sq/sim/memory').CrashImage} CrashImage */

/** The changes, in order. The table is compacted after the second and the fourth. */
const CHANGES = /** @type {const} */ ([
  ['anna', 'red'],
  ['ben', 'green'],
  ['anna', 'blue'],
  ['carl', 'black'],
  ['ben', 'white'],
])

/**
 * The entries of the table after `count` changes.
 *
 * @param {number} count
 */
function tableAfter(count) {
  return new Map(CHANGES.slice(0, count))
}

/**
 * Every distinct content of the disk that a power cut may leave in the life of the table, with the number of changes
 * that were acknowledged when it was last found, and the number that were submitted when it was first found.
 *
 * @param {typeof replaceFile} replace
 */
async function crashImages(replace) {
  const fs = new InMemoryFileSystem()
  /** @type {Map<string, { image: CrashImage, acknowledged: number, submitted: number }>} */
  const found = new Map()
  let acknowledged = 0
  let submitted = 0
  fs.operations.observe(() => {
    const state = fs.crashState()
    for (const choice of state.everyChoice()) {
      const image = state.image(choice)
      const digest = image.digest()
      found.set(digest, { image, acknowledged, submitted: found.get(digest)?.submitted ?? submitted })
    }
  })
  const table = await Table.open(fs, '/data', replace)
  for (const [key, value] of CHANGES) {
    submitted++
    await table.set(key, value)
    acknowledged++
    if (acknowledged % 2 === 0) await table.compact()
  }
  await table.close()
  return [...found.values()]
}

/**
 * The entries of a table after it was opened on an image, compacted, and opened again; or the error if one of these
 * failed.
 *
 * @param {CrashImage} image
 * @param {typeof replaceFile} replace
 */
async function recovered(image, replace) {
  try {
    const fs = new InMemoryFileSystem({ image })
    const found = await Table.open(fs, '/data', replace)
    await found.compact()
    await found.close()
    const table = await Table.open(fs, '/data', replace)
    await table.close()
    return table.entries
  } catch (error) {
    return error
  }
}

/**
 * The wrong results for those images: tables that miss an acknowledged change or have one that was not submitted.
 *
 * @param {typeof replaceFile} replace
 */
async function findLosses(replace) {
  const images = await crashImages(replace)
  const losses = []
  for (const { image, acknowledged, submitted } of images) {
    const table = await recovered(image, replace)
    const allowed = Array.from({ length: submitted - acknowledged + 1 }, (_, at) => tableAfter(acknowledged + at))
    if (!allowed.some((expected) => isDeepStrictEqual(table, expected))) losses.push(table)
  }
  return { images: images.length, losses }
}

test('a table keeps every acknowledged change, whatever a power cut at any moment leaves on the disk', async () => {
  const { images, losses } = await findLosses(replaceFile)
  assert.deepEqual(losses, [])
  assert.ok(images > 40)
})

describe('the images detect a wrong way to write the snapshot', () => {
  test('a snapshot that overwrites the old one may be half written', async () => {
    const { losses } = await findLosses(async (fs, path, bytes) => {
      const exists = (await fs.readdir(dirname(path))).includes(basename(path))
      const file = await fs.open(path, exists ? 'read-write' : 'create')
      await file.truncate(0)
      await file.writeDurable([bytes], 0)
      await file.close()
      await fs.syncDirectory(dirname(path))
    })
    assert.ok(losses.some((loss) => loss instanceof SyntaxError))
  })

  test('a snapshot that gets its name before its bytes are durable may be empty', async () => {
    const { losses } = await findLosses(async (fs, path, bytes) => {
      const file = await fs.open(`${path}.tmp`, 'create')
      await file.write([bytes], 0)
      await file.close()
      await fs.rename(`${path}.tmp`, path)
      await fs.syncDirectory(dirname(path))
    })
    assert.ok(losses.some((loss) => loss instanceof SyntaxError))
  })

  test('a snapshot whose name is not durable when segments are deleted may be the old one, without its records', async () => {
    const { losses } = await findLosses(async (fs, path, bytes) => {
      const file = await fs.open(`${path}.tmp`, 'create')
      await file.writeDurable([bytes], 0)
      await file.close()
      await fs.rename(`${path}.tmp`, path)
    })
    assert.ok(losses.some((loss) => loss instanceof OffsetOutOfRangeError))
  })
})
