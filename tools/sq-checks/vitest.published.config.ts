import { defineConfig } from 'vitest/config'

/**
 * The checks of what would be published. They need the registry, and tools that weigh more than the whole repository.
 */
export default defineConfig({
  test: {
    globalSetup: ['src/published/tools.ts'],
    include: ['src/published/*.test.ts'],
    // They run processes; a slow machine or network is no failure, only a hang is.
    testTimeout: 120_000,
    hookTimeout: 240_000,
    // As many compilers at a time as the smallest machine has cores.
    maxConcurrency: 2,
    // A report that is missing is as wrong as one that differs; `pnpm api` writes both.
    update: 'none',
  },
})
