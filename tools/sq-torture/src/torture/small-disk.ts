/** Mounts a temporary small file system, if the system allows it. */
import { execFile } from 'node:child_process'
import { mkdir, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { cleanEnvironment } from '../clean-environment.ts'

const execute = promisify(execFile)

export type DiskKind = 'tmpfs' | 'ext4'

const DISK_BYTES = 16 * 1024 * 1024

/** A disk cannot be mounted here. The message says why. */
export class NoDiskError extends Error {
  override readonly name = 'NoDiskError'
}

/** Mounts a disk in a directory, runs `action` with its path, and removes the disk, also after a failure. */
export async function onSmallDisk<T>(
  kind: DiskKind,
  directory: string,
  action: (mountPoint: string) => Promise<T>,
): Promise<T> {
  const isRoot = process.platform === 'linux' && process.getuid?.() === 0
  if (!isRoot) throw new NoDiskError('only root on Linux can mount a disk')
  const mountPoint = join(directory, kind)
  const image = join(directory, `${kind}.image`)
  await mkdir(mountPoint)
  try {
    await mount(kind, { mountPoint, image })
    try {
      return await action(mountPoint)
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
