/** A small file that is read whole, and replaced so that a power cut leaves the old content or the new one. */
import { basename, dirname } from 'node:path'

/** @typedef {import('@sq/sim').FileSystem} FileSystem */

/**
 * The content of a file; null where there is none.
 *
 * @param {FileSystem} fs
 * @param {string} path
 */
export async function readFile(fs, path) {
  if (!(await fs.readdir(dirname(path))).includes(basename(path))) return null
  const file = await fs.open(path, 'read')
  try {
    const bytes = Buffer.alloc(await file.size())
    await file.read(bytes, 0)
    return bytes
  } finally {
    await file.close()
  }
}

/**
 * Gives a file a new content, and resolves once that would survive a power cut.
 *
 * @param {FileSystem} fs
 * @param {string} path
 * @param {Uint8Array} bytes
 */
export async function replaceFile(fs, path, bytes) {
  await writeNew(fs, `${path}.tmp`, bytes)
  await fs.rename(`${path}.tmp`, path)
  await fs.syncDirectory(dirname(path))
}

/**
 * Makes a file and its bytes durable, but not its name. What an earlier attempt left under this name is removed.
 *
 * @param {FileSystem} fs
 * @param {string} path
 * @param {Uint8Array} bytes
 */
async function writeNew(fs, path, bytes) {
  if ((await fs.readdir(dirname(path))).includes(basename(path))) await fs.unlink(path)
  const file = await fs.open(path, 'create')
  try {
    await file.writeDurable([bytes], 0)
  } finally {
    await file.close()
  }
}
