/** Defects of reading an archive as files, and of reading it together with the local log. */
import type { Defect } from '../defect.ts'

const ARCHIVE = 'sq-archive/src'

export const TIERED_DEFECTS: readonly Defect[] = [
  {
    name: 'a reader goes from the archive to the local log one record too late',
    file: `${ARCHIVE}/tiered/tiered-iterator.ts`,
    find: 'if (to !== null && next >= to) return false',
    replace: 'if (to !== null && next > to) return false',
  },
  {
    name: 'a reader skips a record where it goes on in the other place',
    file: `${ARCHIVE}/tiered/tiered-iterator.ts`,
    find: '      from: this.#next,\n',
    replace: '      from: this.#next + 1n,\n',
  },
  {
    name: 'a reader repeats a record where it goes on in the other place',
    file: `${ARCHIVE}/tiered/tiered-iterator.ts`,
    find: '      from: this.#next,\n',
    replace: '      from: this.#next === 0n ? 0n : this.#next - 1n,\n',
  },
  {
    name: 'a reader ends where the archive does',
    file: `${ARCHIVE}/tiered/tiered-iterator.ts`,
    find: 'if (to !== null && next >= to) return false',
    replace: 'if (to !== null && next >= to) return true',
  },
  {
    name: 'limits are counted from zero in the other place',
    file: `${ARCHIVE}/tiered/tiered-iterator.ts`,
    find: '    this.#records = records\n    this.#bytes = bytes\n',
    replace: '    this.#bytes = bytes\n',
  },
  {
    name: 'a gap between the archive and the local log is read over',
    file: `${ARCHIVE}/tiered/tiers.ts`,
    find: 'if (isGap && offset >= archive.logEndOffset) throw',
    replace: 'if (isGap && offset > local.logStartOffset) throw',
  },
  {
    name: 'the archive of a log that has been trimmed is not asked again',
    file: `${ARCHIVE}/tiered/tiers.ts`,
    find: 'if (this.#known?.localStart !== localStart) await this.bounds()',
    replace: 'if (this.#known === null) await this.bounds()',
  },
  {
    name: 'a search by time misses what moves to the archive meanwhile',
    file: `${ARCHIVE}/tiered/tiers.ts`,
    find: `if ((await this.#local.bounds())?.logStartOffset === before) return found ?? null`,
    replace: `return found ?? null`,
  },
  {
    name: 'a log that was not there yet is never found',
    file: `${ARCHIVE}/tiered/tier.ts`,
    find: `    this.#opening ??= this.#open().finally(() => {
      this.#opening = null
    })`,
    replace: `    this.#opening ??= this.#open()`,
  },
  {
    name: 'a short answer of the store is a block',
    file: `${ARCHIVE}/object-store-file-system.ts`,
    find: '    if (read < run.length) {',
    replace: '    if (read === 0) {',
  },
  {
    name: 'the last block of an object has the size of the others',
    file: `${ARCHIVE}/object-store-file-system.ts`,
    find: 'Buffer.allocUnsafeSlow(Math.min(to * BLOCK_BYTES, bytes) - position)',
    replace: 'Buffer.allocUnsafeSlow(to * BLOCK_BYTES - position)',
  },
  {
    name: 'blocks of different objects have one name in memory',
    file: `${ARCHIVE}/block-cache.ts`,
    find: 'return `${key} ${index}`',
    replace: 'return `${key.length} ${index}`',
  },
  {
    name: 'a read across two requests puts the second part over the first',
    file: `${ARCHIVE}/object-handle.ts`,
    find: 'buffer.set(part, Math.max(from - position, 0))',
    replace: 'buffer.set(part, 0)',
  },
  {
    name: 'a block that could not be fetched stays in memory',
    file: `${ARCHIVE}/block-cache.ts`,
    find: '      // Every caller that waits for it gets the error.\n      if (this.#entries.has(entry)) this.#forget(entry)\n',
    replace: '',
  },
  {
    name: 'memory for blocks has no limit',
    file: `${ARCHIVE}/block-cache.ts`,
    find: '      this.#evict()\n',
    replace: '',
  },
  {
    name: 'a directory is listed with everything below it',
    file: `${ARCHIVE}/object-store-file-system.ts`,
    find: 'this.#store.list(folder, { shallow: true })',
    replace: 'this.#store.list(folder)',
  },
  {
    name: 'a local log is read after the archive of another',
    file: `${ARCHIVE}/tiered/tiers.ts`,
    find: '    if (isContinued === false) throw this.#anotherLog(local.logStartOffset)\n',
    replace: '',
  },
  {
    name: 'a local log that states no segment before it is read after any archive',
    file: `${ARCHIVE}/tiered/tiers.ts`,
    find: '    return hasOffsetBefore ? false : null\n',
    replace: '    return previous !== null && hasOffsetBefore ? false : null\n',
  },
  {
    name: 'a local log whose first records are deleted is read after any archive',
    file: `${ARCHIVE}/tiered/tiers.ts`,
    find: 'if (archived !== null) return archived.segmentId === segmentId',
    replace: 'if (archived !== null) return true',
  },
  {
    name: 'damage that came about on the way from the store stays in memory',
    file: `${ARCHIVE}/tiered/tiers.ts`,
    find: 'if (error instanceof CorruptLogError) this.#archive.forget(error.path)',
    replace: '',
  },
  {
    name: 'a fetch in the archive goes on past the beginning of the local log',
    file: `${ARCHIVE}/tiered/tiered-reader.ts`,
    find: 'const archivedTo = part.to < to ? part.to : to',
    replace: 'const archivedTo = to',
  },
]
