/** A deletion of every record that is interrupted by a crash or a failure at each step. */
import { InMemoryFileSystem } from '@sq/sim/memory'
import { describe, expect, test } from 'vitest'
import { CrashImages } from '../../testing/crash-images.ts'
import { failFrom } from '../../testing/failing.ts'
import { append, appendEach, LogFixture, TIMESTAMP_MS } from '../../testing/log-fixture.ts'

/** A log of four segments: the last sealed or active, the second abandoned with a rejected commit after its end. */
async function fourSegments(fs: InMemoryFileSystem, last: 'sealed' | 'active'): Promise<LogFixture> {
  const fixture = new LogFixture({}, fs)
  fixture.clock.setNow(TIMESTAMP_MS)
  const opened = await fixture.open()
  await appendEach(opened, ['a', 'b'])
  await opened.closeActiveSegment()
  await append(opened, 'c')
  fs.faults.failNext('sync', 'EIO')
  await expect(append(opened, 'rejected')).rejects.toThrow('EIO')
  await append(opened, 'd')
  await opened.closeActiveSegment()
  await append(opened, 'e')
  if (last === 'sealed') await opened.closeActiveSegment()
  await opened.close()
  return fixture
}

/** A copy of a log, a minute later. */
function laterCopy({ fs }: LogFixture): LogFixture {
  const copy = new LogFixture({}, fs.clone())
  copy.clock.setNow(TIMESTAMP_MS + 60_000)
  return copy
}

const VALUES = ['a', 'b', 'c', 'd', 'e']
const CASES = [
  { failedSync: 'ext4', limit: 'their offsets', last: 'sealed', policy: { belowOffset: 5n } },
  { failedSync: 'btrfs', limit: 'their offsets', last: 'sealed', policy: { belowOffset: 5n } },
  { failedSync: 'ext4', limit: 'their age, the active segment too', last: 'active', policy: { maxAgeMs: 59_999 } },
  { failedSync: 'btrfs', limit: 'their age, the active segment too', last: 'active', policy: { maxAgeMs: 59_999 } },
] as const

describe.each(CASES)('on $failedSync, with every record let go by $limit', ({ failedSync, last, policy }) => {
  test.each([false, true])('a crash anywhere leaves the end of the log (names in any order: %s)', async (weakNames) => {
    const origin = await fourSegments(new InMemoryFileSystem({ failedSync, weakNames }), last)
    const copy = laterCopy(origin)
    const opened = await copy.open()
    const images = new CrashImages()
    images.collect(copy.fs)
    await opened.deleteSegments(policy)
    const seen = new Set<number>()
    for (const after of images.logs()) {
      const reopened = await after.open()
      const values = await after.values()
      expect(values).toEqual(VALUES.slice(VALUES.length - values.length))
      expect(await append(reopened, 'next')).toBe(5n)
      seen.add(values.length)
    }
    expect(seen).toEqual(new Set([0, 1, 2, 3, 5]))
  })

  test.each(['once', 'for good'] as const)('an operation that fails %s loses nothing', async (how) => {
    const origin = await fourSegments(new InMemoryFileSystem({ failedSync }), last)
    let nth = 1
    for (; ; nth++) {
      const copy = laterCopy(origin)
      const opened = await copy.open()
      const rule = failFrom(copy.fs, nth, how)
      const outcome = await opened.deleteSegments(policy).catch(() => null)
      if (rule.hits === 0) break
      const values = await copy.values().catch(() => null)
      if (values !== null) expect(values).toEqual(VALUES.slice(VALUES.length - values.length))
      rule.remove()
      if (outcome === null) await opened.deleteSegments(policy)
      expect(await append(opened, 'next')).toBe(5n)
      await opened.close()
      copy.fs.crash()
      await copy.open()
      expect(await copy.values()).toEqual(['next'])
    }
    expect(nth).toBeGreaterThan(30)
  })
})
