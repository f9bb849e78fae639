/** A small file system of its own for as long as something is tried on it; only where the system lets us mount one. */
import { execFile } from 'node:child_process'
import { mkdir, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { cleanEnvironment } from '../clean-environment.ts'

const execute = promisify(execFile)

export type DiskKind = 'tmpfs' | 'ext4'

const DISK_BYTES = 16 * 1024 * 1024

/** No disk is to be had here; the message says why. */
export class NoDiskError extends Error {
  override readonly name = 'NoDiskError'
}

/** Mounts a disk below a directory, runs `attempt` with its path, and takes it away again, whatever came of it. */
export async function onSmallDisk<T>(
  kind: DiskKind,
  directory: string,
  attempt: (mountPoint: string) => Promise<T>,
): Promise<T> {
  const isRoot = process.platform === 'linux' && process.getuid?.() === 0
  if (!isRoot) throw new NoDiskError('only root on Linux may mount one')
  const mountPoint = join(directory, kind)
  const image = join(directory, `${kind}.image`)
  await mkdir(mountPoint)
  try {
    await mount(kind, { mountPoint, image })
    try {
      return await attempt(mountPoint)
    } finally {
      await run('umount', [mountPoint])
    }
  } finally {
    await rm(image, { force: true })
    await rm(mountPoint, { recursive: true })
  }
}

async function mount(kind: DiskKind, { mountPoint, image }: { mountPoint: string; image: string }): Promise<void> {
  try {
    if (kind === 'tmpfs') {
      await run('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'tmpfs', mountPoint])
      return
    }
    const file = await open(image, 'wx')
    await file.truncate(DISK_BYTES)
    await file.close()
    await run('mkfs.ext4', ['-q', '-m', '0', image])
    await run('mount', ['-o', 'loop', image, mountPoint])
  } catch (error) {
    throw new NoDiskError(error instanceof Error ? error.message.trim() : String(error), { cause: error })
  }
}

async function run(program: string, args: readonly string[]): Promise<void> {
  await execute(program, args, { env: cleanEnvironment() })
}
