import { defineConfig } from 'vitest/config'

export default defineConfig({
  // Tests run on the sources of sibling packages, so that a change can be tested without a build.
  resolve: { conditions: ['@sq/source'] },
  ssr: { resolve: { conditions: ['@sq/source', 'node', 'import', 'module', 'default'] } },
  // Some tests use a real disk and real processes: a slow machine is no failure, only a hang is.
  test: {
    include: ['src/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // One process for many files: to start one for each costs a tenth of the whole.
    isolate: false,
    maxWorkers: 2,
  },
})
