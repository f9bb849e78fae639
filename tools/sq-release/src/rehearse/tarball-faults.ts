/** Finds faults of a tarball: unwanted and missing files, and a wrong manifest. */
import type { Tarball } from './tarball.ts'

const REQUIRED = ['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md']
/** Code, its sources, and the styles of the pages that the command makes. */
const ALLOWED = /^dist\/.*(\.js|\.d\.ts)(\.map)?$|^dist\/browser\/\w+\.css$|^src\/.*\.ts$/
const TEST = /\.test(-d)?\./

/** One sentence per fault. `versions` has the version of each public package in this release, by name. */
export function tarballFaults(tarball: Tarball, versions: ReadonlyMap<string, string>): string[] {
  const faults = [...fileFaults(tarball), ...manifestFaults(tarball, versions)]
  return faults.map((fault) => `${tarball.fileName}: ${fault}`)
}

function fileFaults({ files, manifest }: Tarball): string[] {
  const paths = new Set(files.map(({ path }) => path))
  const unwanted = [...paths].filter((path) => !REQUIRED.includes(path) && (!ALLOWED.test(path) || TEST.test(path)))
  const unmapped = [...paths].filter((path) => path.endsWith('.map') && !paths.has(sourceOf(path)))
  const targets = [...targetsOf(manifest.exports), ...targetsOf(manifest.bin)]
  return [
    ...REQUIRED.filter((path) => !paths.has(path)).map((path) => `${path} is missing`),
    ...unwanted.map((path) => `${path} does not belong there`),
    ...unmapped.map((path) => `${path} leads to ${sourceOf(path)}, which is missing`),
    ...targets.filter((path) => !paths.has(path)).map((path) => `package.json leads to ${path}, which is missing`),
  ]
}

/** The source to which a map in `dist/` refers. */
function sourceOf(map: string): string {
  return map.replace(/^dist\//, 'src/').replace(/(\.js|\.d\.ts)\.map$/, '.ts')
}

/** The files that `exports` or `bin` name, at any depth. */
function targetsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value.replace(/^\.\//, '')]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(targetsOf) : []
}

function manifestFaults({ manifest }: Tarball, versions: ReadonlyMap<string, string>): string[] {
  const { name, version, dependencies, peerDependencies, optionalDependencies, devDependencies } = manifest
  const faults: string[] = []
  const expected = versions.get(name) ?? 'a public package'
  if (version !== expected) faults.push(`it is ${name} ${version}, not ${expected}`)
  if (manifest.private === true) faults.push('it is private, and npm would refuse it')
  const kinds = [dependencies, peerDependencies, optionalDependencies, devDependencies]
  for (const [dependency, range] of kinds.flatMap((ranges) => Object.entries(ranges ?? {}))) {
    const released = versions.get(dependency)
    if (range.startsWith('workspace:')) faults.push(`it needs ${dependency} ${range}, which only this repository knows`)
    else if (released !== undefined && range !== `^${released}`) {
      faults.push(`it needs ${dependency} ${range}, and this release has ${released}`)
    }
  }
  return faults
}
