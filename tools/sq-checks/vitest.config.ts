import { defineConfig } from 'vitest/config'

export default defineConfig({
  // Tests run on the sources of sibling packages, so that a change can be tested without a build.
  resolve: { conditions: ['@sq/source'] },
  ssr: { resolve: { conditions: ['@sq/source', 'node', 'import', 'module', 'default'] } },
  // Some tests use a real disk and real processes: a slow machine is no failure, only a hang is.
  test: {
    include: ['src/**/*.test.ts'],
    exclude: ['src/published/**'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // One process for all files: to start one for each costs more than the tests.
    isolate: false,
    maxWorkers: 1,
  },
})
