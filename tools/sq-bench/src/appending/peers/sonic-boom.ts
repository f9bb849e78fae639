/** A fast file stream for text logs. Its `flush` writes what is buffered and syncs, through the thread pool. */
import * as fs from 'node:fs'
import { join } from 'node:path'
import type { Peer } from './peer.ts'

/** The parts of the package that are used. */
type Package = new (options: BoomOptions) => {
  write(bytes: Buffer): boolean
  flush(done: (error?: Error | null) => void): void
  end(): void
  once(event: 'close', listener: () => void): void
  setMaxListeners(count: number): void
}
interface BoomOptions {
  fd: number
  sync: boolean
  contentMode: 'buffer'
  minLength: number
  maxWrite: number
}

const MIB = 1024 * 1024

export const sonicBoom: Peer = {
  name: 'sonic-boom, flushed',
  blocks: false,
  groupCommit: 'own',
  caveat: 'bare bytes; one sync per flush',
  load(require) {
    const SonicBoom: Package = require('sonic-boom')
    return async (directory) => {
      const fd = fs.openSync(join(directory, 'boom'), 'wx')
      // All is written at once, on flush. By default the first value is written alone, and the others in pieces of 16 KiB.
      const sizes = { minLength: 8 * MIB, maxWrite: 16 * MIB }
      const boom = new SonicBoom({ fd, sync: false, contentMode: 'buffer', ...sizes })
      // Each flush in flight has a listener.
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
}
