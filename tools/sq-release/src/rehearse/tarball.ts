/** Packs a package as for publishing, and reads the tarball. `tarball-faults.ts` checks it. */
import { mkdir, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { list } from 'tar'
import { outputOf } from '../command.ts'
import { parseManifest } from './public-package.ts'
import type { Manifest, PublicPackage } from './public-package.ts'

export interface PackedFile {
  /** Path in the package. */
  readonly path: string
  readonly sizeBytes: number
}

export interface Tarball {
  /** The file name: `sq-sim-0.1.0.tgz`. */
  readonly fileName: string
  readonly sizeBytes: number
  /** By path. */
  readonly files: readonly PackedFile[]
  /** The manifest as a user gets it. */
  readonly manifest: Manifest
}

/** Packs a package with the tool that also publishes it. */
export async function pack(root: string, { folder }: PublicPackage): Promise<Tarball> {
  const destination = join(root, folder, 'node_modules/.tarballs')
  await mkdir(destination, { recursive: true })
  const args = ['pack', '--json', '--pack-destination', destination]
  return await readTarball(packedFile(await outputOf('pnpm', args, { cwd: join(root, folder) })))
}

/** The path in the output of `pnpm pack --json`. */
function packedFile(output: string): string {
  const told: unknown = JSON.parse(output)
  const name = typeof told === 'object' && told !== null && 'filename' in told ? told.filename : undefined
  if (typeof name !== 'string') throw new Error(`pnpm pack named no file: ${output}`)
  return name
}

async function readTarball(file: string): Promise<Tarball> {
  const files: PackedFile[] = []
  const manifest: Buffer[] = []
  await list({
    file,
    onReadEntry: (entry) => {
      const path = entry.path.replace(/^package\//, '')
      files.push({ path, sizeBytes: entry.size })
      if (path === 'package.json') entry.on('data', (bytes: Buffer) => manifest.push(bytes))
    },
  })
  const { size } = await stat(file)
  return {
    fileName: basename(file),
    sizeBytes: size,
    files: files.toSorted((one, other) => (one.path < other.path ? -1 : 1)),
    manifest: parseManifest(Buffer.concat(manifest).toString()),
  }
}
