import { defineConfig } from 'vitest/config'

export default defineConfig({
  // Tests run on the sources of sibling packages, so that a change can be tested without a build.
  resolve: { conditions: ['@sq/source'] },
  ssr: { resolve: { conditions: ['@sq/source', 'node', 'import', 'module', 'default'] } },
  test: {
    include: ['src/**/*.test.ts'],
    // Tests that try every bit, every operation or many seeds, with the same result on any Node.
    exclude: process.env['SQ_SEARCHES'] === 'false' ? ['src/**/*-{bit-flips,interrupted,property}.test.ts'] : [],
    typecheck: { enabled: true, tsconfig: 'tsconfig.test.json', ignoreSourceErrors: true },
    // Some tests use a real disk and real processes: a slow machine is no failure, only a hang is.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // As many processes as the smallest machine has cores, with room for many short-lived logs: a third less time than
    // one process for each file.
    isolate: false,
    maxWorkers: 2,
    execArgv: ['--max-semi-space-size=64'],
    coverage: {
      // CI measures it with the tests; `pnpm --filter @sq/storage coverage` does by itself.
      enabled: process.env['SQ_COVERAGE'] === 'true',
      reportOnFailure: true,
      include: ['src/wal/**'],
      reporter: ['text'],
      thresholds: {
        'src/wal/format/{integers,frame,record,seal}.ts': { branches: 100 },
        'src/wal/{segment,reader,listing}.ts': { branches: 100 },
        'src/wal/segments/{scan,segment-file,damage,unconfirmed,summary,describe,retention}.ts': { branches: 100 },
        'src/wal/writing/recovery.ts': { branches: 100 },
        'src/wal/writer.ts': { branches: 95 },
        'src/wal/**': { branches: 97 },
      },
    },
  },
})
