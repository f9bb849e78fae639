import { defineConfig } from 'vitest/config'

export default defineConfig({
  // Tests run on the sources of sibling packages, so that a change can be tested without a build.
  resolve: { conditions: ['@sq/source'] },
  ssr: { resolve: { conditions: ['@sq/source', 'node', 'import', 'module', 'default'] } },
  test: { include: ['src/**/*.test.ts'] },
})
