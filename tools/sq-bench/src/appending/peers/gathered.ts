/** The same peer once more, with what gathers in front of it. */
import { gathering } from './gathering.ts'
import type { Peer } from './peer.ts'

export function gathered(peer: Peer): Peer {
  return {
    ...peer,
    name: `${peer.name}, gathered`,
    gathers: 'in front',
    load(require) {
      const open = peer.load(require)
      return async (directory) => {
        const appender = await open(directory)
        return { ...appender, append: gathering((values) => appender.appendBatch(values)) }
      }
    },
  }
}
