/** An append-only log with a Merkle tree and a signature for each append. It has no way to sync. */
import { join } from 'node:path'
import { gathering } from './gathering.ts'
import type { Peer } from './peer.ts'

/** As much of the package as is used. */
type Package = new (path: string) => {
  ready(): Promise<void>
  append(values: Buffer[]): Promise<unknown>
  close(): Promise<void>
}

export const hypercore: Peer = {
  name: 'hypercore, gathered',
  blocks: false,
  gathers: true,
  durable: false,
  caveat: 'syncs nothing',
  load(require) {
    const Hypercore: Package = require('hypercore')
    return async (directory) => {
      const core = new Hypercore(join(directory, 'core'))
      await core.ready()
      const append = (values: readonly Buffer[]): Promise<unknown> => core.append([...values])
      return { append: gathering(append), appendBatch: append, close: () => core.close() }
    }
  },
}
