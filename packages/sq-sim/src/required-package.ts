/** Packages that are loaded on demand: the binding for locks, and memfs. Both are CommonJS. */
import { statSync } from 'node:fs'
// webpack would replace `createRequire` if it were imported by name.
import * as modules from 'node:module'
import { sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { codeOf } from './system-error.ts'

/** A package was not found from this code or from the main script of the program. */
class PackageNotFoundError extends Error {
  constructor(name: string, places: readonly string[]) {
    super(`the package ${name} was not found from ${places.join(' or ')}`)
    this.name = 'PackageNotFoundError'
  }
}

interface FoundPackage {
  /** The file of its entry point. */
  readonly path: string
  /** Loads it and returns its exports. Call it immediately: see `requireFrom`. Throws what loading it throws. */
  readonly load: () => unknown
}

/**
 * Finds a package as a file in the directory of this code would, or as the main script of the program would. Throws
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
 * the main script does. Under `node -e`, also for modules, `__filename` is `[eval]`, and says nothing. Code is
 * never loaded from the working directory, which may belong to another user.
 */
function ownPlaces(): string[] {
  const filename = typeof __filename === 'string' && __filename !== '[eval]' ? __filename : undefined
  const url: string | undefined = filename ?? import.meta.url
  const places = [url, process.argv[1]].filter((place) => typeof place === 'string')
  return [...new Set(places.map((place) => (place.startsWith('file:') ? fileURLToPath(place) : place)))]
}

/**
 * Null if the place does not exist.
 *
 * Looking at the place has a second purpose. The synchronous stat calls of Node share one array. `realpathSync`, with
 * which `require` resolves the links of a package, stops early while that array describes a pipe. So after
 * `fstatSync(0)`, in `echo x | sq-wal append`, a linked fs-native-extensions was resolved to the place of its link, and
 * its dependencies were not found. As nothing else runs before `require`, the array describes the place instead.
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
