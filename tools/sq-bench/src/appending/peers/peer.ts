/** What others have for Node: a package that is loaded once it is installed. */
import type { Described, OpenedContender } from '../contender.ts'

export interface Peer extends Omit<Described, 'kind'> {
  /** Throws where the package is not there. */
  readonly load: (require: NodeJS.Require) => OpenedContender['open']
}
