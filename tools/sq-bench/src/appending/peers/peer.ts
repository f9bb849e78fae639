/** Another store for Node: an npm package that is loaded after the benchmark has installed it. */
import type { Described, OpenedContender } from '../contender.ts'

export interface Peer extends Omit<Described, 'kind'> {
  /** Throws an error if the package is not installed. */
  readonly load: (require: NodeJS.Require) => OpenedContender['open']
}
