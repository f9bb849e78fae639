/** LevelDB with `sync`. It has group commit for the puts that run at the same time in Node's thread pool. */
import { join } from 'node:path'
import type { Peer } from './peer.ts'

/** The parts of the package that are used. */
interface Package {
  ClassicLevel: new (
    path: string,
    options: LevelOptions,
  ) => {
    open(): Promise<void>
    put(key: string, value: Buffer, options: { sync: boolean }): Promise<void>
    batch(puts: { type: 'put'; key: string; value: Buffer }[], options: { sync: boolean }): Promise<void>
    close(): Promise<void>
  }
}
interface LevelOptions {
  keyEncoding: 'utf8'
  valueEncoding: 'buffer'
  writeBufferSize: number
}

/** So large that the memtable is not flushed during a measurement. */
const WRITE_BUFFER_BYTES = 1024 * 1024 * 1024

export const classicLevel: Peer = {
  name: 'classic-level',
  blocks: false,
  groupCommit: 'own',
  caveat: null,
  load(require) {
    const { ClassicLevel }: Package = require('classic-level')
    return async (directory) => {
      const db = new ClassicLevel(join(directory, 'db'), {
        keyEncoding: 'utf8',
        valueEncoding: 'buffer',
        writeBufferSize: WRITE_BUFFER_BYTES,
      })
      await db.open()
      let next = 0
      const key = (): string => String(next++).padStart(16, '0')
      return {
        append: (value) => db.put(key(), value, { sync: true }),
        appendBatch: (values) =>
          db.batch(
            values.map((value) => ({ type: 'put', key: key(), value })),
            { sync: true },
          ),
        close: () => db.close(),
      }
    }
  },
}
