/** SQLite with a write-ahead log and synchronous=FULL, so that a transaction is durable when it has ended. */
import { join } from 'node:path'
import { byTick } from './by-tick.ts'
import type { Peer } from './peer.ts'

/** The parts of the package that are used. */
interface Statement {
  run(value?: Buffer): void
}
interface Database {
  pragma(text: string): void
  exec(sql: string): void
  prepare(sql: string): Statement
  close(): void
}
type Sqlite = new (path: string) => Database

export const sqliteByRecord: Peer = peer('better-sqlite3, a transaction a record', { gathers: 'nobody' })
export const sqliteByTick: Peer = peer('better-sqlite3, a transaction a tick', { gathers: 'in front' })

function peer(name: string, { gathers }: Pick<Peer, 'gathers'>): Peer {
  return {
    name,
    blocks: true,
    gathers,
    caveat: null,
    load(require) {
      const Sqlite: Sqlite = require('better-sqlite3')
      return async (directory) => {
        const db = new Sqlite(join(directory, 'db'))
        // As the log, it belongs to one process, and needs no lock for each transaction.
        db.pragma('locking_mode = EXCLUSIVE')
        db.pragma('journal_mode = WAL')
        db.pragma('synchronous = FULL')
        db.exec('create table records (id integer primary key, value blob)')
        const insert = db.prepare('insert into records (value) values (?)')
        const commit = committing(db, insert)
        return {
          append: gathers === 'in front' ? byTick(commit) : async (value) => insert.run(value),
          appendBatch: async (values) => commit(values),
          close: async () => db.close(),
        }
      }
    },
  }
}

function committing(db: Database, insert: Statement): (values: readonly Buffer[]) => void {
  const [begin, end] = [db.prepare('begin'), db.prepare('commit')]
  return (values) => {
    begin.run()
    for (const value of values) insert.run(value)
    end.run()
  }
}
