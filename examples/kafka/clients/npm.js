/**
 * Clients of Kafka from npm that need a Node of their own, with that Node. They are installed into a folder that is kept
 * between runs.
 */
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { CACHE, run, UnavailableError } from './debian.js'

const FOLDER = join(CACHE, 'npm')
const PLATFORM = `linux-${process.arch}`
const PACKAGES = [
  `node-${PLATFORM}@24`,
  'kafka-crab-js@5.0.0',
  // npm leaves it out by itself, because it is an optional package for another Node than that of npm.
  `kafka-crab-js-${PLATFORM}-gnu@5.0.0`,
  '@platformatic/kafka@2.12.1',
]

/**
 * A Node to start with a file, in the folder in which the clients are. Rejects with an `UnavailableError`.
 *
 * @returns {Promise<import('./debian.js').Program>}
 */
export async function nodeWithClients() {
  const node = join(FOLDER, `node_modules/node-${PLATFORM}/bin/node`)
  await mkdir(FOLDER, { recursive: true })
  if (!existsSync(node)) {
    const quietly = [
      '--no-save',
      '--no-package-lock',
      '--no-audit',
      '--no-fund',
      '--ignore-scripts',
      '--loglevel=error',
    ]
    await run('npm', ['install', '--prefix', FOLDER, ...quietly, ...PACKAGES], FOLDER).catch((error) => {
      throw new UnavailableError(`installing the clients from npm failed: ${error.message}`)
    })
  }
  return { command: [node], env: {}, cwd: FOLDER }
}
