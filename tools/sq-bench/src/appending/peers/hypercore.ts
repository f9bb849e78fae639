/** An append-only log with a Merkle tree and a signature for each append. It cannot sync. */
import { join } from 'node:path'
import type { Peer } from './peer.ts'

/** The parts of the package that are used. */
type Package = new (path: string) => {
  ready(): Promise<void>
  append(values: Buffer | Buffer[]): Promise<unknown>
  close(): Promise<void>
}

export const hypercore: Peer = {
  name: 'hypercore',
  blocks: false,
  groupCommit: 'own',
  caveat: 'no sync',
  load(require) {
    const Hypercore: Package = require('hypercore')
    return async (directory) => {
      const core = new Hypercore(join(directory, 'core'))
      await core.ready()
      return {
        append: (value) => core.append(value),
        appendBatch: (values) => core.append([...values]),
        close: () => core.close(),
      }
    }
  },
}
