/**
 * Builds the native peers, each from one file in `peers/native`, where the machine has what they need. What is missing
 * is told and never installed from here: that takes rights over the machine that a benchmark should not ask for.
 */
import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Contender, Described } from '../contender.ts'

interface NativePeer extends Pick<Described, 'name' | 'gathers' | 'caveat'> {
  readonly source: string
  /** The command that builds it, but for the paths of what it makes and of its source. */
  readonly build: readonly [command: string, ...options: string[]]
  readonly afterSource: readonly string[]
  /** The packages of Debian that it needs. */
  readonly needs: string
}

const FOLDER = fileURLToPath(new URL('../../../peers/native', import.meta.url))
/** Where Debian keeps the sources of Go's packages, which are used as they are: without modules, without a network. */
const GO_SOURCES = '/usr/share/gocode'

const PEERS: readonly NativePeer[] = [
  {
    name: 'RocksDB',
    gathers: 'itself',
    caveat: 'a thread a producer; with its memtable',
    source: 'rocksdb.cc',
    build: ['g++', '-std=c++17', '-O2', '-pthread'],
    afterSource: ['-lrocksdb'],
    needs: 'g++ and librocksdb-dev',
  },
  {
    name: 'etcd wal',
    gathers: 'in front',
    caveat: 'given the values of all producers at once',
    source: 'etcd.go',
    build: ['go', 'build'],
    afterSource: [],
    needs: 'golang-go and golang-etcd-server-dev',
  },
]

export const NATIVE_PEER_NAMES: readonly string[] = PEERS.map(({ name }) => name)

/** Those that are wanted and can be built here; of each other one line on stderr says what is missing. */
export function buildNativePeers(isWanted: (name: string) => boolean): Contender[] {
  return PEERS.filter(({ name }) => isWanted(name)).flatMap((peer): Contender[] => {
    const { name, gathers, caveat, source, needs } = peer
    const program = join(FOLDER, 'dist', source.replace(/\.\w+$/, ''))
    const why = isFresh(program, join(FOLDER, source)) ? null : build(peer, program)
    if (why === null) {
      return [{ name, kind: 'native', blocks: false, gathers, caveat, program }]
    }
    process.stderr.write(`without ${name}: ${why}; it is built with ${needs} of Debian\n`)
    return []
  })
}

function isFresh(program: string, source: string): boolean {
  return fs.existsSync(program) && fs.statSync(program).mtimeMs > fs.statSync(source).mtimeMs
}

/** Returns why that cannot be done, in a line; null once it is. */
function build(peer: NativePeer, program: string): string | null {
  const {
    name,
    source,
    build: [command, ...options],
    afterSource,
  } = peer
  process.stderr.write(`building ${name}\n`)
  fs.mkdirSync(join(FOLDER, 'dist'), { recursive: true })
  const built = spawnSync(command, [...options, '-o', program, source, ...afterSource], {
    cwd: FOLDER,
    env: { ...process.env, GO111MODULE: 'off', GOPATH: GO_SOURCES },
    encoding: 'utf8',
  })
  if (built.error !== undefined) return `${command} cannot be run (${built.error.message})`
  if (built.status === 0) return null
  return built.stderr.split('\n').find((line) => /error|cannot find|undefined/.test(line)) ?? `${command} fails`
}
