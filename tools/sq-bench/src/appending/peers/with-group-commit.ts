/** A variant of a peer, with added group commit. */
import { groupCommits } from './group-commits.ts'
import type { Peer } from './peer.ts'

export function withGroupCommit(peer: Peer): Peer {
  return {
    ...peer,
    name: `${peer.name}, group commit`,
    groupCommit: 'added',
    load(require) {
      const open = peer.load(require)
      return async (directory) => {
        const appender = await open(directory)
        return { ...appender, append: groupCommits((values) => appender.appendBatch(values)) }
      }
    },
  }
}
