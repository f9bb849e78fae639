import { defineConfig } from 'vitest/config'

/**
 * The checks of the packages as they would be published. They need the registry, and a hundred megabytes of tools.
 */
export default defineConfig({
  test: {
    globalSetup: ['src/published/tools.ts'],
    include: ['src/published/*.test.ts'],
    // The tests run processes. The limits are for hangs, not for slow machines or networks.
    testTimeout: 120_000,
    hookTimeout: 240_000,
    // The number of compilers that run at the same time. The smallest machine has two cores.
    maxConcurrency: 2,
    // A missing report is an error, as one that differs is. `pnpm api` writes them.
    update: 'none',
  },
})
