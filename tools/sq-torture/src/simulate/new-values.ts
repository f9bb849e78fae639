/** The values of new records. Some are equal, and some of their bytes look like frames. */
import type { Random } from '@sq/sim'
import type { NewBatch } from '../log/appends.ts'
import type { Swarm } from './swarm.ts'

export class NewValues {
  readonly #random: Random
  readonly #swarm: Pick<Swarm, 'length' | 'inBatches'>
  #serial = 0

  constructor(random: Random, swarm: Pick<Swarm, 'length' | 'inBatches'>) {
    this.#random = random
    this.#swarm = swarm
  }

  one(): Uint8Array {
    const random = this.#random
    const length = this.#swarm.length(random)
    const serial = this.#serial++
    const style = random.int(3)
    if (style === 0) return Buffer.alloc(length)
    return style === 1 ? random.bytes(length) : Buffer.alloc(length, `FR ${serial} `)
  }

  /** 1 to this number of values. */
  some(most: number): Uint8Array[] {
    return Array.from({ length: 1 + this.#random.int(most) }, () => this.one())
  }

  /** A batch for a replica. */
  batch(): NewBatch {
    const random = this.#random
    const metadata = random.chance(0.3) ? { metadata: Buffer.from(`producer ${this.#serial}`) } : {}
    if (!this.#swarm.inBatches || random.chance(0.5)) return { ...metadata, content: this.some(3) }
    return { ...metadata, content: { payload: this.one(), recordCount: 1 + random.int(4) } }
  }
}
