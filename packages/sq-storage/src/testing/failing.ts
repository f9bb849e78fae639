/** Makes operations of a file system fail by their number, for tests that try each of them. */
import type { ActiveRule, InMemoryFileSystem, Operation } from '@sq/sim/memory'

const EVERY: readonly Operation[] = [
  'open',
  'create',
  'read',
  'write',
  'sync',
  'truncate',
  'size',
  'close',
  'readdir',
  'stat',
  'unlink',
  'rename',
  'syncDirectory',
]

/** Makes the n-th operation from now on fail, or all operations from it on. */
export function failFrom(fs: InMemoryFileSystem, nth: number, how: 'once' | 'for good'): ActiveRule {
  let seen = 0
  const strikes = () => {
    seen++
    return how === 'once' ? seen === nth : seen >= nth
  }
  return fs.faults.add({ on: EVERY, path: strikes, when: 'always', fault: { error: 'EIO' } })
}
