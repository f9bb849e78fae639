/** The limits that all writers of a thread share. They are set when their module is imported, so each test imports it. */
import { expect, onTestFinished, test, vi } from 'vitest'

const GIB = 1024 ** 3

test.each([
  ['no limit is known', undefined, 2 * GIB],
  ['there is no limit', 0, 2 * GIB],
  ['its limit is more than the machine has', 2 ** 63, 2 * GIB],
  ['its limit is less than the machine has', 2 * GIB, GIB / 2],
])(
  'the shared limits of a thread are a quarter of the memory of the process where %s',
  async (_, constrained, maxPendingBytes) => {
    onTestFinished(() => {
      vi.doUnmock('node:os')
      vi.doUnmock('node:process')
      vi.resetModules()
    })
    vi.resetModules()
    vi.doMock('node:os', async (original) => ({ ...(await original<object>()), totalmem: () => 8 * GIB }))
    vi.doMock('node:process', async (original) => ({
      ...(await original<object>()),
      constrainedMemory: () => constrained,
    }))
    const { threadLimits } = await import('./shared-limits.ts')
    expect(threadLimits.maxPendingBytes).toBe(maxPendingBytes)
  },
)
