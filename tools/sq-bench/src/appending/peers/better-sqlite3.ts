/** SQLite with a write-ahead log and synchronous=FULL, so that a transaction is durable once it is committed. */
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

export const sqliteByRecord: Peer = peer('better-sqlite3, transaction per record', { groupCommit: 'none' })
export const sqliteByTick: Peer = peer('better-sqlite3, transaction per tick', { groupCommit: 'added' })

function peer(name: string, { groupCommit }: Pick<Peer, 'groupCommit'>): Peer {
  return {
    name,
    blocks: true,
    groupCommit,
    caveat: null,
    load(require) {
      const Sqlite: Sqlite = require('better-sqlite3')
      return async (directory) => {
        const db = new Sqlite(join(directory, 'db'))
        // Like the log, the database belongs to one process, so it does not need a lock per transaction.
        db.pragma('locking_mode = EXCLUSIVE')
        db.pragma('journal_mode = WAL')
        db.pragma('synchronous = FULL')
        db.exec('create table records (id integer primary key, value blob)')
        const insert = db.prepare('insert into records (value) values (?)')
        const commit = committing(db, insert)
        return {
          append: groupCommit === 'added' ? byTick(commit) : async (value) => insert.run(value),
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
