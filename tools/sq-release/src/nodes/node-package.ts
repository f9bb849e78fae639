/** The versions of Node for the tests, as npm packages that contain only Node. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { outputOf } from '../command.ts'

/** The supported platforms: Linux, on which the log is meant to run. */
const PLATFORMS: ReadonlySet<string> = new Set(['linux-x64', 'linux-arm64'])

export const ROOT: string = fileURLToPath(new URL('../../../..', import.meta.url))
/** The versions, each in a directory with its range as its name. */
export const NODES_FOLDER: string = join(ROOT, 'tools/sq-release/.nodes')

export interface InstalledNode {
  /** `20.19.0` */
  readonly version: string
  /** The directory of the executable `node`. */
  readonly bin: string
}

/** The name of the package with Node for a platform. Throws for an unsupported one. */
export function nodePackage(platform: string): string {
  if (PLATFORMS.has(platform)) return `node-${platform}`
  throw new Error(`other versions of Node are available on ${[...PLATFORMS].join(' and ')}; this is ${platform}`)
}

/**
 * Installs the newest Node of a `range` (`22`, `20.19.0`) in its own directory in `folder`, unless it is there already.
 * Rejects if npm has no such version.
 */
export async function installNode(range: string, folder: string): Promise<InstalledNode> {
  const name = nodePackage(`${process.platform}-${process.arch}`)
  const place = join(folder, range)
  await mkdir(place, { recursive: true })
  const quietly = ['--no-save', '--no-package-lock', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error']
  await outputOf('npm', ['install', '--prefix', place, ...quietly, `${name}@${range}`], { cwd: place })
  const bin = join(place, 'node_modules', name, 'bin')
  const version = await outputOf(join(bin, 'node'), ['--version'], { cwd: place })
  return { version: version.trim().slice(1), bin }
}
