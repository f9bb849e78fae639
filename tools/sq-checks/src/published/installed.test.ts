/** The packages work when npm has installed them from their tarballs, outside the workspace. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ROOT } from '../source-tree.ts'
import { ConsumerProject } from './consumer-project.ts'
import { manifestIn, pack } from './tarballs.ts'
import { compilers } from './tools.ts'

let directory: string
/** Has `@sq/storage`. */
let plain: ConsumerProject
/** Has `@sq/storage`, `@sq/archive`, memfs and the types of Node, as a project in development. */
let developed: ConsumerProject
/** Has `@sq/wal-cli`. */
let commanded: ConsumerProject

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sq-consumer-'))
  const tarballs = await pack(join(directory, 'tarballs'))
  const names = ['@sq/sim', '@sq/storage', '@sq/wal-cli', '@sq/archive']
  const [sim = '', storage = '', cli = '', archive = ''] = names.map((name) => tarballs.get(name))
  const memfs = (await manifestIn(join(ROOT, 'packages/sq-sim'))).devDependencies?.['memfs']
  const types = (await manifestIn(ROOT)).devDependencies?.['@types/node']
  const make = (name: string, ...packages: string[]): Promise<ConsumerProject> =>
    ConsumerProject.make(join(directory, name), packages)
  ;[plain, developed, commanded] = await Promise.all([
    make('plain', sim, storage),
    make('developed', sim, storage, archive, `memfs@${memfs}`, `@types/node@${types}`),
    make('commanded', sim, storage, archive, cli),
  ])
})

afterAll(() => rm(directory, { recursive: true }))

describe('in JavaScript', () => {
  test('a module that imports the log appends and reads back', async () => {
    expect(await plain.node(['imports.mjs', 'data-of-import'])).toEqual({ status: 0, output: '0 imported\n' })
  })

  test('a script that requires the log appends and reads back', async () => {
    const script = ['--disable-warning=ExperimentalWarning', 'requires.cjs', 'data-of-require']
    expect(await plain.node(script)).toEqual({ status: 0, output: '0 required\n' })
  })

  test('a test in memory passes the conformance suite and cuts the power', async () => {
    expect(await developed.node(['crashes.mjs'])).toEqual({ status: 0, output: '1 record after a power cut\n' })
  })

  test('without memfs, the error of the file system in memory says what to install', async () => {
    const { status, output } = await plain.node(['crashes.mjs'])
    expect(status).toBe(1)
    expect(output).toContain('@sq/sim/memory needs memfs, which is not installed: run npm install --save-dev memfs')
  })

  test('without the AWS SDK, a store in a directory works, and the error of one in a bucket says what to install', async () => {
    const { status, output } = await developed.node(['archived.mjs'])
    expect(status).toBe(1)
    expect(output).toMatch(/^stored\n/)
    expect(output).toContain(
      '@sq/archive/s3 needs @aws-sdk/client-s3, which is not installed: run npm install @aws-sdk/client-s3',
    )
  })
})

test('the command sq-wal prints a log that a program wrote', async () => {
  await commanded.node(['imports.mjs', 'data'])
  const { status, output } = await commanded.command('sq-wal', ['cat', 'orders/0', '--data-dir', 'data'])
  expect(status).toBe(0)
  expect(output).toContain('imported')
})

describe.concurrent.each(compilers())(
  'TypeScript %s, with every check on, also in declaration files',
  (_, compiler) => {
    test('accepts the packages with the module resolution of Node', async () => {
      const nodes = ['--module', 'nodenext']
      expect(await developed.typecheck(compiler, ['typed.ts', 'required.cts'], nodes)).toEqual({
        status: 0,
        output: '',
      })
    })

    test('accepts the packages with the module resolution of a bundler', async () => {
      const bundlers = ['--module', 'esnext', '--moduleResolution', 'bundler']
      expect(await developed.typecheck(compiler, ['typed.ts'], bundlers)).toEqual({ status: 0, output: '' })
    })
  },
)

/** The limits leave a few percent of room. To raise one is a decision that needs a reason. */
describe('size', () => {
  test('installing @sq/storage installs 8 packages', async () => {
    expect(await plain.installed()).toEqual({ count: 8, bytes: atMost(4_080_000) })
  })

  test('installing @sq/wal-cli installs 18 packages', async () => {
    expect(await commanded.installed()).toEqual({ count: 18, bytes: atMost(5_500_000) })
  })

  test('importing @sq/sim loads neither memfs nor the binding for locks', async () => {
    expect(await developed.loaded('@sq/sim')).toEqual({ count: atMost(15), bytes: atMost(40_000) })
  })

  test('importing @sq/archive loads none of its optional dependencies', async () => {
    expect(await developed.loaded('@sq/archive')).toEqual({ count: atMost(135), bytes: atMost(470_000) })
  })

  test('importing @sq/storage loads only @sq/storage and @sq/sim', async () => {
    expect(await developed.loaded('@sq/storage')).toEqual({ count: atMost(98), bytes: atMost(375_000) })
  })
})

function atMost(limit: number): unknown {
  return expect.toSatisfy((found: number) => found <= limit, `at most ${limit}`)
}
