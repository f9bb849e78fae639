/** LMDB, which has group commit. Its promise `flushed` resolves when all earlier puts are durable. */
import { join } from 'node:path'
import type { Peer } from './peer.ts'

/** The parts of the package that are used. */
interface Lmdb {
  open(options: { path: string; keyIsUint32: boolean; encoding: 'binary' }): {
    put(key: number, value: Buffer): Promise<boolean>
    readonly flushed: Promise<unknown>
    close(): Promise<void>
  }
}

export const lmdb: Peer = {
  name: 'lmdb',
  blocks: false,
  groupCommit: 'own',
  caveat: null,
  load(require) {
    const lmdbPackage: Lmdb = require('lmdb')
    return async (directory) => {
      const db = lmdbPackage.open({ path: join(directory, 'db'), keyIsUint32: true, encoding: 'binary' })
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
}
