/** LevelDB with `sync`. Alone it syncs for some four puts at a time; values that wait are put as one batch. */
import { join } from 'node:path'
import { gathering } from './gathering.ts'
import type { Peer } from './peer.ts'

/** As much of the package as is used. */
interface Package {
  ClassicLevel: new (path: string, options: LevelOptions) => {
    open(): Promise<void>
    batch(puts: { type: 'put'; key: string; value: Buffer }[], options: { sync: boolean }): Promise<void>
    close(): Promise<void>
  }
}
interface LevelOptions {
  keyEncoding: 'utf8'
  valueEncoding: 'buffer'
  writeBufferSize: number
}

/** No flush of a memtable falls into a measurement. */
const WRITE_BUFFER_BYTES = 1024 * 1024 * 1024

export const classicLevel: Peer = {
  name: 'classic-level, gathered',
  blocks: false,
  gathers: true,
  durable: true,
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
      const put = (values: readonly Buffer[]): Promise<void> =>
        db.batch(values.map((value) => ({ type: 'put', key: key(), value })), { sync: true })
      return { append: gathering(put), appendBatch: put, close: () => db.close() }
    }
  },
}
