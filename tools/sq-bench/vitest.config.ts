import { defineConfig } from 'vitest/config'

export default defineConfig({
  // Tests run on the sources of sibling packages, so that no build stands between a change and its test.
  resolve: { conditions: ['@sq/source'] },
  ssr: { resolve: { conditions: ['@sq/source', 'node', 'import', 'module', 'default'] } },
  test: { include: ['src/**/*.test.ts'] },
})
