/** Installs the peers for Node on demand, into a folder outside the workspace. The other scripts do not need them. */
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Contender } from '../contender.ts'
import { sqliteByRecord, sqliteByTick } from './better-sqlite3.ts'
import { classicLevel } from './classic-level.ts'
import { withGroupCommit } from './with-group-commit.ts'
import { hypercore } from './hypercore.ts'
import { lmdb } from './lmdb.ts'
import type { Peer } from './peer.ts'
import { sonicBoom } from './sonic-boom.ts'

const PEERS: readonly Peer[] = [
  sqliteByRecord,
  sqliteByTick,
  lmdb,
  ...[classicLevel, hypercore, sonicBoom].flatMap((peer) => [peer, withGroupCommit(peer)]),
]

const FOLDER = fileURLToPath(new URL('../../../peers', import.meta.url))

export const NODE_PEER_NAMES: readonly string[] = PEERS.map(({ name }) => name)

/** Returns the wanted peers. For each one that cannot be installed here, a line on stderr says why. */
export function installPeers(isWanted: (name: string) => boolean): Contender[] {
  const wanted = PEERS.filter(({ name }) => isWanted(name))
  if (wanted.length === 0) return []
  if (!fs.existsSync(join(FOLDER, 'node_modules'))) {
    process.stderr.write('installing the other stores; some of them are compiled\n')
    // The peers are optional dependencies, so that one that cannot be compiled does not prevent the others.
    execFileSync('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: FOLDER, stdio: 'inherit' })
  }
  const require = createRequire(join(FOLDER, 'package.json'))
  return wanted.flatMap((peer): Contender[] => {
    const { load, ...described } = peer
    try {
      return [{ ...described, kind: 'peer', open: load(require) }]
    } catch (error) {
      const why = error instanceof Error ? error.message.split('\n')[0] : String(error)
      process.stderr.write(`without ${described.name}: ${why}\n`)
      return []
    }
  })
}
