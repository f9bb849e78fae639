/** What others have: installed on demand into a folder outside the workspace, never by the README's two commands. */
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Contender } from './contender.ts'

const FOLDER = fileURLToPath(new URL('../../peers', import.meta.url))

/** Those that can be installed here; what cannot is told on stderr. */
export function installPeers(): Contender[] {
  if (!fs.existsSync(join(FOLDER, 'node_modules'))) {
    process.stderr.write('installing the peers, which compiles some of them\n')
    // One that cannot be compiled here must not keep the others away.
    execFileSync('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: FOLDER, stdio: 'inherit' })
  }
  const require = createRequire(join(FOLDER, 'package.json'))
  return PEERS.flatMap((peer): Contender[] => {
    const { name, blocks, gathers, caveat } = peer
    try {
      return [{ name, kind: 'peer', blocks, gathers, caveat, open: peer.load(require) }]
    } catch (error) {
      const why = error instanceof Error ? error.message.split('\n')[0] : String(error)
      process.stderr.write(`without ${name}: ${why}\n`)
      return []
    }
  })
}

interface Peer extends Omit<Contender, 'kind' | 'open'> {
  /** Throws where the package is not there. */
  load(require: NodeJS.Require): Contender['open']
}

/** As much of each package as is used. */
interface Sqlite {
  new (path: string): {
    pragma(text: string): void
    exec(sql: string): void
    prepare(sql: string): { run(value: Buffer): void }
    close(): void
  }
}
interface Lmdb {
  open(options: { path: string; keyIsUint32: boolean; encoding: 'binary' }): {
    put(key: number, value: Buffer): Promise<boolean>
    readonly flushed: Promise<unknown>
    close(): Promise<void>
  }
}
interface ClassicLevel {
  ClassicLevel: new (path: string, options: { keyEncoding: 'utf8'; valueEncoding: 'buffer' }) => {
    open(): Promise<void>
    put(key: string, value: Buffer, options: { sync: boolean }): Promise<void>
    batch(puts: { type: 'put'; key: string; value: Buffer }[], options: { sync: boolean }): Promise<void>
    close(): Promise<void>
  }
}
interface Hypercore {
  new (path: string): {
    ready(): Promise<void>
    append(values: Buffer | Buffer[]): Promise<unknown>
    close(): Promise<void>
  }
}
interface SonicBoom {
  new (options: { fd: number; sync: boolean; contentMode: 'buffer' }): {
    write(bytes: Buffer): boolean
    flush(done: (error?: Error | null) => void): void
    end(): void
    once(event: 'close', listener: () => void): void
    setMaxListeners(count: number): void
  }
}

const PEERS: readonly Peer[] = [
  sqlite('better-sqlite3, a transaction a record', false),
  sqlite('better-sqlite3, a transaction a tick', true),
  {
    name: 'lmdb',
    blocks: false,
    gathers: true,
    caveat: null,
    load(require) {
      const lmdb: Lmdb = require('lmdb')
      return async (directory) => {
        const db = lmdb.open({ path: join(directory, 'db'), keyIsUint32: true, encoding: 'binary' })
        let key = 0
        const flushed = async (puts: Promise<unknown>): Promise<void> => {
          await puts
          await db.flushed
        }
        return {
          append: (value) => flushed(db.put(key++, value)),
          appendBatch: (values) => flushed(Promise.all(values.map((value) => db.put(key++, value)))),
          close: () => db.close(),
        }
      }
    },
  },
  {
    name: 'classic-level',
    blocks: false,
    gathers: true,
    caveat: null,
    load(require) {
      const { ClassicLevel }: ClassicLevel = require('classic-level')
      return async (directory) => {
        const db = new ClassicLevel(join(directory, 'db'), { keyEncoding: 'utf8', valueEncoding: 'buffer' })
        await db.open()
        let next = 0
        const key = (): string => String(next++).padStart(16, '0')
        return {
          append: (value) => db.put(key(), value, { sync: true }),
          appendBatch: (values) =>
            db.batch(values.map((value) => ({ type: 'put', key: key(), value })), { sync: true }),
          close: () => db.close(),
        }
      }
    },
  },
  {
    name: 'hypercore',
    blocks: false,
    gathers: true,
    caveat: 'syncs nothing',
    load(require) {
      const Core: Hypercore = require('hypercore')
      return async (directory) => {
        const core = new Core(join(directory, 'core'))
        await core.ready()
        return {
          append: (value) => core.append(value),
          appendBatch: (values) => core.append([...values]),
          close: () => core.close(),
        }
      }
    },
  },
  {
    name: 'sonic-boom, flushed',
    blocks: true,
    gathers: true,
    caveat: null,
    load(require) {
      const Boom: SonicBoom = require('sonic-boom')
      return async (directory) => {
        const boom = new Boom({ fd: fs.openSync(join(directory, 'boom'), 'wx'), sync: false, contentMode: 'buffer' })
        // Each flush under way has a listener.
        boom.setMaxListeners(0)
        const flushed = (): Promise<void> =>
          new Promise((resolve, reject) => {
            boom.flush((error) => (error ? reject(error) : resolve()))
          })
        return {
          append(value) {
            boom.write(value)
            return flushed()
          },
          appendBatch(values) {
            for (const value of values) boom.write(value)
            return flushed()
          },
          close: () =>
            new Promise((resolve) => {
              boom.once('close', resolve)
              boom.end()
            }),
        }
      }
    },
  },
]

/** With a write-ahead log and synchronous=FULL, so that a transaction is durable when it has ended. */
function sqlite(name: string, gathers: boolean): Peer {
  return {
    name,
    blocks: true,
    gathers,
    caveat: null,
    load(require) {
      const Database: Sqlite = require('better-sqlite3')
      return async (directory) => {
        const db = new Database(join(directory, 'db'))
        db.pragma('journal_mode = WAL')
        db.pragma('synchronous = FULL')
        db.exec('create table records (id integer primary key, value blob)')
        const insert = db.prepare('insert into records (value) values (?)')
        const commit = (values: readonly Buffer[]): void => {
          db.exec('begin')
          for (const value of values) insert.run(value)
          db.exec('commit')
        }
        let waiting: { value: Buffer; resolve: () => void }[] = []
        const commitTick = (): void => {
          const all = waiting
          waiting = []
          commit(all.map(({ value }) => value))
          for (const { resolve } of all) resolve()
        }
        return {
          append: gathers
            ? (value) =>
                new Promise<void>((resolve) => {
                  if (waiting.length === 0) setImmediate(commitTick)
                  waiting.push({ value, resolve })
                })
            : async (value) => insert.run(value),
          appendBatch: async (values) => commit(values),
          close: async () => db.close(),
        }
      }
    },
  }
}
