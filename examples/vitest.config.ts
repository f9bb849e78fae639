import { defineConfig } from 'vitest/config'

export default defineConfig({
  // The tests are written for `node --test`, so that a reader needs nothing else. Here they run with all others.
  resolve: { alias: { 'node:test': 'vitest' }, conditions: ['@sq/source'] },
  ssr: { resolve: { conditions: ['@sq/source', 'node', 'import', 'default'] } },
  // Some tests start processes. A test must fail because it hangs, not because the machine is slow.
  test: { include: ['*/**/*.test.js'], testTimeout: 120_000, isolate: false },
})
