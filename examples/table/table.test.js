/**
 * Cuts the power at every moment of a table's life, and looks at all that the disk may hold then. The log keeps its
 * promise in each; the question is whether the table does. Its `replaceFile` does, and three that look as good do not.
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

/** What is set, one after another. The table is compacted after the second and the fourth. */
const CHANGES = /** @type {const} */ ([
  ['anna', 'red'],
  ['ben', 'green'],
  ['anna', 'blue'],
  ['carl', 'black'],
  ['ben', 'white'],
])

/**
 * The table after so many changes.
 *
 * @param {number} count
 */
function tableAfter(count) {
  return new Map(CHANGES.slice(0, count))
}

/**
 * Every distinct content of the disk that a power cut may leave of a life of the table, each with how many changes were
 * acknowledged when it was found last, and how many were attempted when it was found first.
 *
 * @param {typeof replaceFile} replace
 */
async function crashImages(replace) {
  const fs = new InMemoryFileSystem()
  /** @type {Map<string, { image: CrashImage, acknowledged: number, attempted: number }>} */
  const found = new Map()
  let acknowledged = 0
  let attempted = 0
  fs.operations.observe(() => {
    const state = fs.crashState()
    for (const choice of state.everyChoice()) {
      const image = state.image(choice)
      const digest = image.digest()
      found.set(digest, { image, acknowledged, attempted: found.get(digest)?.attempted ?? attempted })
    }
  })
  const table = await Table.open(fs, '/data', replace)
  for (const [key, value] of CHANGES) {
    attempted++
    await table.set(key, value)
    acknowledged++
    if (acknowledged % 2 === 0) await table.compact()
  }
  await table.close()
  return [...found.values()]
}

/**
 * What a table makes of the disk it finds: its entries after it was opened, compacted, and opened again; or why one of
 * these failed.
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
 * What of those images becomes of a table that is not one it may be: with all that was acknowledged, and nothing that
 * was not attempted.
 *
 * @param {typeof replaceFile} replace
 */
async function findLosses(replace) {
  const images = await crashImages(replace)
  const losses = []
  for (const { image, acknowledged, attempted } of images) {
    const table = await recovered(image, replace)
    const allowed = Array.from({ length: attempted - acknowledged + 1 }, (_, at) => tableAfter(acknowledged + at))
    if (!allowed.some((expected) => isDeepStrictEqual(table, expected))) losses.push(table)
  }
  return { images: images.length, losses }
}

test('a table keeps what it acknowledged, whatever a power cut at any moment leaves of the disk', async () => {
  const { images, losses } = await findLosses(replaceFile)
  assert.deepEqual(losses, [])
  assert.ok(images > 40)
})

describe('the images find a snapshot', () => {
  test('that is written over the old one: half of it may be there', async () => {
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

  test('that gets its name before its bytes are durable: it may be empty', async () => {
    const { losses } = await findLosses(async (fs, path, bytes) => {
      const file = await fs.open(`${path}.tmp`, 'create')
      await file.write([bytes], 0)
      await file.close()
      await fs.rename(`${path}.tmp`, path)
      await fs.syncDirectory(dirname(path))
    })
    assert.ok(losses.some((loss) => loss instanceof SyntaxError))
  })

  test('whose name is not durable when the log is cut: the old one may be there, and its records gone', async () => {
    const { losses } = await findLosses(async (fs, path, bytes) => {
      const file = await fs.open(`${path}.tmp`, 'create')
      await file.writeDurable([bytes], 0)
      await file.close()
      await fs.rename(`${path}.tmp`, path)
    })
    assert.ok(losses.some((loss) => loss instanceof OffsetOutOfRangeError))
  })
})
