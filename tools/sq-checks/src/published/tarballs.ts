/** Lists the published packages, and packs their tarballs. */
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { packageFolders, ROOT } from '../source-tree.ts'
import { run } from './run.ts'

/** The fields of a package.json that the checks use. */
export interface Manifest {
  readonly name: string
  readonly version: string
  readonly private?: boolean
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
}

/** The folders of the published packages, each with its manifest. */
export async function publishedPackages(): Promise<[folder: string, manifest: Manifest][]> {
  const all = packageFolders().map(async (folder): Promise<[string, Manifest]> => {
    const path = join(ROOT, folder)
    return [path, await manifestIn(path)]
  })
  return (await Promise.all(all)).filter(([, manifest]) => manifest.private !== true)
}

export async function manifestIn(directory: string): Promise<Manifest> {
  const manifest: Manifest = JSON.parse(await readFile(join(directory, 'package.json'), 'utf8'))
  return manifest
}

/** Packs the packages as they were built. Resolves with the path of each tarball by package name. */
export async function pack(into: string): Promise<Map<string, string>> {
  await mkdir(into, { recursive: true })
  const packed = (await publishedPackages()).map(async ([folder, { name, version }]): Promise<[string, string]> => {
    await run('pnpm', ['pack', '--pack-destination', into], { directory: folder })
    return [name, join(into, `${name.slice(1).replace('/', '-')}-${version}.tgz`)]
  })
  return new Map(await Promise.all(packed))
}
