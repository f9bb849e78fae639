/** The packages as they would be published: which they are, and their tarballs. */
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { packageFolders, ROOT } from '../source-tree.ts'
import { run } from './run.ts'

/** As much of a package.json as is looked at. */
export interface Manifest {
  readonly name: string
  readonly version: string
  readonly private?: boolean
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
}

/** The folders of the packages that are published, each with its manifest as it stands in the repository. */
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

/** Packs them as they were built, and resolves with the tarballs' paths, by name. */
export async function pack(into: string): Promise<Map<string, string>> {
  await mkdir(into, { recursive: true })
  const packed = (await publishedPackages()).map(async ([folder, { name, version }]): Promise<[string, string]> => {
    await run('pnpm', ['pack', '--pack-destination', into], { directory: folder })
    return [name, join(into, `${name.slice(1).replace('/', '-')}-${version}.tgz`)]
  })
  return new Map(await Promise.all(packed))
}
