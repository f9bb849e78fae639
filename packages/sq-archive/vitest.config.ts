import { defineConfig } from 'vitest/config'

export default defineConfig({
  // Tests run on the sources of sibling packages, so that a change can be tested without a build.
  resolve: { conditions: ['@sq/source'] },
  ssr: { resolve: { conditions: ['@sq/source', 'node', 'import', 'default'] } },
  test: {
    include: ['src/**/*.test.ts'],
    // Tests that try every step or many seeds in memory, with the same result on any Node.
    exclude: process.env['SQ_SEARCHES'] === 'false' ? ['src/**/{exploration,*simulation}.test.ts'] : [],
    // Some tests use a real disk: a slow machine is no failure, only a hang is.
    testTimeout: 120_000,
    // One process for all files: to start one for each costs more than the tests.
    isolate: false,
    maxWorkers: 1,
  },
})
