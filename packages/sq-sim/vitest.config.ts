import { configDefaults, defineConfig } from 'vitest/config'

/** These tests replace a module, and so need a process of their own, in which it is loaded again. */
const REPLACING_MODULES = ['src/directory-watch.test.ts', 'src/node-file-system.calls.test.ts']

export default defineConfig({
  // Tests run on the sources of sibling packages, so that a change can be tested without a build.
  resolve: { conditions: ['@sq/source'] },
  ssr: { resolve: { conditions: ['@sq/source', 'node', 'import', 'module', 'default'] } },
  // Some tests use a real disk and real processes: a slow machine is no failure, only a hang is.
  test: {
    testTimeout: 120_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'together',
          include: ['src/**/*.test.ts'],
          exclude: [...configDefaults.exclude, ...REPLACING_MODULES],
          typecheck: { enabled: true, tsconfig: 'tsconfig.test.json', ignoreSourceErrors: true },
          // One process for all files: to start one for each costs more than the tests.
          isolate: false,
          maxWorkers: 1,
        },
      },
      { extends: true, test: { name: 'alone', include: REPLACING_MODULES } },
    ],
  },
})
