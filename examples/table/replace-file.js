/** Reads a small file, and replaces it so that a power cut leaves either the old or the new content. */
import { dirname } from 'node:path'

/** @typedef {import('@sq/sim').FileSystem} FileSystem */

/**
 * The content of a file, or null if it does not exist.
 *
 * @param {FileSystem} fs
 * @param {string} path
 */
export async function readFile(fs, path) {
  const file = await ifExists(fs.open(path, 'read'))
  if (file === null) return null
  try {
    const bytes = Buffer.alloc(await file.size())
    await file.read(bytes, 0)
    return bytes
  } finally {
    await file.close()
  }
}

/**
 * Replaces the content of a file, and resolves when the new content would survive a power cut.
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
 * What an operation on a file or directory resolves with, or null if it does not exist.
 *
 * @template T
 * @param {Promise<T>} operation
 */
export async function ifExists(operation) {
  try {
    return await operation
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw error
  }
}

/**
 * Creates a file and makes its bytes durable, but not its name. Removes the file of an earlier attempt first.
 *
 * @param {FileSystem} fs
 * @param {string} path
 * @param {Uint8Array} bytes
 */
async function writeNew(fs, path, bytes) {
  await ifExists(fs.unlink(path))
  const file = await fs.open(path, 'create')
  try {
    await file.writeDurable([bytes], 0)
  } finally {
    await file.close()
  }
}
