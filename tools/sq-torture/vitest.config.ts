import { defineConfig } from 'vitest/config'

export default defineConfig({
  // Tests run on the sources of sibling packages, so that a change can be tested without a build.
  resolve: { conditions: ['@sq/source'] },
  ssr: { resolve: { conditions: ['@sq/source', 'node', 'import', 'module', 'default'] } },
  test: {
    include: ['src/**/*.test.ts'],
    setupFiles: ['src/cheap-process.ts'],
    // Some tests use a real disk and real processes: a slow machine is no failure, only a hang is.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // As many processes as the smallest machine has cores, with room for many short-lived logs: a third less time than
    // one process for each file.
    isolate: false,
    maxWorkers: 2,
    execArgv: ['--max-semi-space-size=64'],
  },
})
