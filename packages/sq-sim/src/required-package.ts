/** Packages that are loaded only when they are needed: the binding for locks, and memfs. Both are CommonJS. */
import { statSync } from 'node:fs'
// webpack would put something of its own in the place of `createRequire`, were it imported by its name.
import * as modules from 'node:module'
import { sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { codeOf } from './system-error.ts'

/** A package is not installed where this code, or the program it is part of, looks for it. */
class PackageNotFoundError extends Error {
  constructor(name: string, places: readonly string[]) {
    super(`the package ${name} was not found from ${places.join(' or ')}`)
    this.name = 'PackageNotFoundError'
  }
}

interface FoundPackage {
  /** The file that it begins with. */
  readonly path: string
  /** What it exports. Called at once: see `requireFrom`. Throws what loading it throws. */
  readonly load: () => unknown
}

/**
 * Finds a package as a file beside this code finds it, or else as the program's main script does. Throws
 * `PackageNotFoundError`.
 */
export function findPackage(name: string): FoundPackage {
  const places = ownPlaces()
  for (const place of places) {
    const requiring = requireFrom(place)
    const path = requiring === null ? null : resolve(requiring, name)
    if (requiring !== null && path !== null) return { path, load: () => requiring(path) }
  }
  throw new PackageNotFoundError(name, places)
}

/**
 * Paths from which packages may be found. Bundled to CommonJS, this code has a `__filename` and an empty
 * `import.meta.url`. webpack may write the path of the build into either, which need not exist where the bundle runs;
 * the main script does. Under `node -e`, also for modules, `__filename` is `[eval]`, and says nothing. The working
 * directory is no place to load code from: it may belong to somebody else.
 */
function ownPlaces(): string[] {
  const filename = typeof __filename === 'string' && __filename !== '[eval]' ? __filename : undefined
  const url: string | undefined = filename ?? import.meta.url
  const places = [url, process.argv[1]].filter((place) => typeof place === 'string')
  return [...new Set(places.map((place) => (place.startsWith('file:') ? fileURLToPath(place) : place)))]
}

/**
 * Null where the place does not exist.
 *
 * The look at the place has a second purpose. Node's synchronous calls of stat share one array, and the `realpathSync`
 * by which `require` resolves the links of a package stops early while the array tells of a pipe: after
 * `fstatSync(0)`, in `echo x | sq-wal append`, a linked fs-native-extensions was taken to be where its link is, and
 * the packages it depends on were not found. As nothing else runs before `require`, the array tells of the place then.
 */
function requireFrom(place: string): NodeJS.Require | null {
  const stat = statSync(place, { throwIfNoEntry: false })
  if (stat?.isFile()) return modules.createRequire(place)
  return stat?.isDirectory() ? modules.createRequire(place + sep) : null
}

function resolve(requiring: NodeJS.Require, name: string): string | null {
  try {
    return requiring.resolve(name)
  } catch (error) {
    if (codeOf(error) === 'MODULE_NOT_FOUND') return null
    throw error
  }
}
