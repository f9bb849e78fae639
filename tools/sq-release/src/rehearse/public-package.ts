/** The packages that are published, and their `package.json`. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** The fields of a `package.json` that are used. */
export interface Manifest {
  readonly name: string
  readonly version: string
  readonly private?: boolean
  readonly bin?: unknown
  readonly exports?: unknown
  readonly dependencies?: Ranges
  readonly peerDependencies?: Ranges
  readonly optionalDependencies?: Ranges
  readonly devDependencies?: Ranges
}

type Ranges = Readonly<Record<string, string>>

export interface PublicPackage {
  /** The folder, from the root. */
  readonly folder: string
  readonly name: string
  readonly version: string
}

/** The packages of a repository that are not private, in the order of their folders. */
export async function publicPackages(root: string): Promise<PublicPackage[]> {
  const folders = (await readdir(join(root, 'packages'))).toSorted().map((name) => `packages/${name}`)
  const packages = await Promise.all(
    folders.map(async (folder) => {
      const manifest = parseManifest(await readFile(join(root, folder, 'package.json'), 'utf8'))
      return manifest.private === true ? [] : [{ folder, name: manifest.name, version: manifest.version }]
    }),
  )
  return packages.flat()
}

/** Parses a `package.json`. Throws unless it has a name and a version. */
export function parseManifest(text: string): Manifest {
  const value: unknown = JSON.parse(text)
  if (isManifest(value)) return value
  throw new Error(`expected a package.json with a name and a version, found ${text.slice(0, 80)}`)
}

function isManifest(value: unknown): value is Manifest {
  if (typeof value !== 'object' || value === null || !('name' in value) || !('version' in value)) return false
  return typeof value.name === 'string' && typeof value.version === 'string'
}
