/**
 * Builds the native peers, each from one file in `peers/native`, if the machine has the compilers and libraries. It
 * reports what is missing and does not install it: that takes root, which a benchmark should not ask for.
 */
import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Contender, Described } from '../contender.ts'

interface NativePeer extends Pick<Described, 'name' | 'groupCommit' | 'caveat'> {
  readonly source: string
  /** The command that builds it, without the paths of the executable and of the source. */
  readonly build: readonly [command: string, ...options: string[]]
  /** The arguments that follow the path of the source. */
  readonly afterSource: readonly string[]
  /** The Debian packages that it needs. */
  readonly needs: string
}

const FOLDER = fileURLToPath(new URL('../../../peers/native', import.meta.url))
/** Where Debian keeps the sources of Go packages. They are used from there, without modules or a network. */
const GO_SOURCES = '/usr/share/gocode'

const PEERS: readonly NativePeer[] = [
  {
    name: 'RocksDB',
    groupCommit: 'own',
    caveat: 'one thread per producer; includes the memtable',
    source: 'rocksdb.cc',
    build: ['g++', '-std=c++17', '-O2', '-pthread'],
    afterSource: ['-lrocksdb'],
    needs: 'g++ and librocksdb-dev',
  },
  {
    name: 'etcd wal',
    groupCommit: 'added',
    caveat: 'given the values of all producers at once',
    source: 'etcd.go',
    build: ['go', 'build'],
    afterSource: [],
    needs: 'golang-go and golang-etcd-server-dev',
  },
]

export const NATIVE_PEER_NAMES: readonly string[] = PEERS.map(({ name }) => name)

/** Returns the wanted peers. For each one that cannot be built here, a line on stderr says what is missing. */
export function buildNativePeers(isWanted: (name: string) => boolean): Contender[] {
  return PEERS.filter(({ name }) => isWanted(name)).flatMap((peer): Contender[] => {
    const { name, groupCommit, caveat, source, needs } = peer
    const program = join(FOLDER, 'dist', source.replace(/\.\w+$/, ''))
    const why = isFresh(program, join(FOLDER, source)) ? null : build(peer, program)
    if (why === null) {
      return [{ name, kind: 'native', blocks: false, groupCommit, caveat, program }]
    }
    process.stderr.write(`without ${name}: ${why}; it needs ${needs} (names of Debian packages)\n`)
    return []
  })
}

function isFresh(program: string, source: string): boolean {
  return fs.existsSync(program) && fs.statSync(program).mtimeMs > fs.statSync(source).mtimeMs
}

/** Returns null, or one line that says why the build failed. */
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
