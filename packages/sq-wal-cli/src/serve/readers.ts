/** The readers of the logs that the page looks at. A reader that is kept reads only what is new of a log. */
import { WalReader } from '@sq/storage'
import type { LocatedLog } from '../log-source.ts'

const MAX_READERS = 64

interface Kept {
  readonly reader: WalReader
  users: number
}

export class Readers {
  readonly #kept = new Map<string, Kept>()

  /** Runs an action with the reader of a log. After a failure, the next action gets a new reader. */
  async use<T>({ fs, config, topic, partition }: LocatedLog, action: (reader: WalReader) => Promise<T>): Promise<T> {
    const name = `${topic}/${partition}`
    const kept = this.#kept.get(name) ?? { reader: await WalReader.open(fs, config, topic, partition), users: 0 }
    kept.users++
    // The one that was used last is the last.
    this.#kept.delete(name)
    this.#kept.set(name, kept)
    try {
      return await action(kept.reader)
    } catch (error) {
      if (this.#kept.get(name) === kept) this.#kept.delete(name)
      throw error
    } finally {
      kept.users--
      await this.#closeUnused(name, kept)
    }
  }

  /** Closes a reader that is no longer kept, or is one too many, once nothing uses it. */
  async #closeUnused(name: string, kept: Kept): Promise<void> {
    if (this.#kept.get(name) !== kept && kept.users === 0) await kept.reader.close()
    const unused = [...this.#kept].find(([, { users }]) => users === 0)
    if (unused === undefined || this.#kept.size <= MAX_READERS) return
    this.#kept.delete(unused[0])
    await unused[1].reader.close()
  }
}
