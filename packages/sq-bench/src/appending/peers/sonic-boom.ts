/** A fast stream into a file, for logs of text. Its `flush` writes what waits and syncs, through the thread pool. */
import * as fs from 'node:fs'
import { join } from 'node:path'
import { gathering } from './gathering.ts'
import type { Peer } from './peer.ts'

/** As much of the package as is used. */
type Package = new (options: { fd: number; sync: boolean; contentMode: 'buffer' }) => {
  write(bytes: Buffer): boolean
  flush(done: (error?: Error | null) => void): void
  end(): void
  once(event: 'close', listener: () => void): void
}

export const sonicBoom: Peer = {
  name: 'sonic-boom, flushed, gathered',
  blocks: false,
  gathers: true,
  durable: true,
  caveat: null,
  load(require) {
    const SonicBoom: Package = require('sonic-boom')
    return async (directory) => {
      const boom = new SonicBoom({ fd: fs.openSync(join(directory, 'boom'), 'wx'), sync: false, contentMode: 'buffer' })
      // A flush for each value would sync for each.
      const write = (values: readonly Buffer[]): Promise<void> => {
        for (const value of values) boom.write(value)
        return new Promise((resolve, reject) => {
          boom.flush((error) => (error ? reject(error) : resolve()))
        })
      }
      return {
        append: gathering(write),
        appendBatch: write,
        close: () =>
          new Promise((resolve) => {
            boom.once('close', resolve)
            boom.end()
          }),
      }
    }
  },
}
