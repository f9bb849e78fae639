/** Opens only regular files. It follows no symbolic link, and never waits, as opening a FIFO would. */
import * as fs from 'node:fs'
import { closeDescriptor, descriptorStat, openDescriptor, rethrow } from './descriptor.ts'
import { codeOf, systemError } from './system-error.ts'

// Windows lacks both.
const optional: Readonly<Partial<typeof fs.constants>> = fs.constants
const ONLY_REGULAR = (optional.O_NOFOLLOW ?? 0) | (optional.O_NONBLOCK ?? 0)

/**
 * The codes with which the system refuses to open a link (ELOOP; EMLINK on FreeBSD), a directory for writing, and a
 * socket or a device without a driver.
 */
const REFUSALS: ReadonlySet<string | undefined> = new Set(['ELOOP', 'EMLINK', 'EISDIR', 'ENXIO', 'ENODEV'])

/**
 * Opens an existing file. Rejects with `ELOOP` for a symbolic link, with `EISDIR` for a directory, and with `EFTYPE`
 * for a FIFO, a socket or a device.
 */
export async function openRegular(path: string, flags: number): Promise<{ descriptor: number; stat: fs.Stats }> {
  const descriptor = await openDescriptor(path, flags | ONLY_REGULAR).catch(async (error: unknown) => {
    if (!REFUSALS.has(codeOf(error))) throw error
    const stat = await fs.promises.lstat(path).catch(() => null)
    throw (stat && refusalOf(stat, path)) ?? error
  })
  try {
    const stat = await descriptorStat(descriptor, path)
    const refusal = refusalOf(stat, path)
    if (refusal !== null) throw refusal
    return { descriptor, stat }
  } catch (error) {
    await closeDescriptor(descriptor, path)
    throw error
  }
}

/** Rejects as `openRegular` does, but with `EPERM` for a directory, as the system refuses to link one. */
export async function checkRegular(path: string): Promise<void> {
  const stat = await fs.promises.lstat(path).catch(rethrow)
  if (stat.isDirectory()) throw systemError('EPERM', { syscall: 'link', path }, 'it is a directory')
  const refusal = refusalOf(stat, path)
  if (refusal) throw refusal
}

/** Why this file is refused; null for a regular file. */
function refusalOf(stat: fs.Stats, path: string): Error | null {
  if (stat.isFile()) return null
  const [code, kind] = kindOf(stat)
  return systemError(code, { syscall: 'open', path }, `it is ${kind}, not a regular file`)
}

function kindOf(stat: fs.Stats): [code: string, kind: string] {
  if (stat.isSymbolicLink()) return ['ELOOP', 'a symbolic link']
  if (stat.isDirectory()) return ['EISDIR', 'a directory']
  if (stat.isFIFO()) return ['EFTYPE', 'a FIFO']
  if (stat.isSocket()) return ['EFTYPE', 'a socket']
  return ['EFTYPE', stat.isCharacterDevice() || stat.isBlockDevice() ? 'a device' : 'something strange']
}
