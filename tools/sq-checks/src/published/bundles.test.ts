/** A bundle of the packages can lock a log if the binding for locks is installed next to it. */
import { cp, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ConsumerProject } from './consumer-project.ts'
import { run, tryRun } from './run.ts'
import { pack } from './tarballs.ts'
import { tool, VITE } from './tools.ts'

const PROGRAM = 'bundled.mjs'

let directory: string
let project: ConsumerProject

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sq-bundles-'))
  const tarballs = await pack(join(directory, 'tarballs'))
  tarballs.delete('@sq/wal-cli')
  project = await ConsumerProject.withLayout('npm', join(directory, 'project'), tarballs)
})

afterAll(() => rm(directory, { recursive: true }))

const esbuild = (format: string, file: string) => [
  tool('esbuild/bin/esbuild'),
  PROGRAM,
  '--bundle',
  '--platform=node',
  `--format=${format}`,
  `--outfile=out/${file}`,
]

/** The package webpack has no command. */
function webpack(file: string): string[] {
  const output = `{ path: process.cwd() + '/out', filename: '${file}' }`
  const config = `{ mode: 'production', target: 'node', entry: './${PROGRAM}', output: ${output} }`
  const done = `(error, stats) => { if (error ?? stats.hasErrors()) throw error ?? new Error(stats.toString()) }`
  return ['--input-type=commonjs', '--eval', `require('${tool('webpack')}')(${config}, ${done})`]
}

/** The configuration puts all packages into the bundle, as for a server that is deployed as one file. */
const vite = [VITE, 'build', '--ssr', PROGRAM, '--outDir', 'out', '--config', 'vite.config.mjs']

describe.each([
  ['esbuild to ES modules', 'bundle.mjs', esbuild('esm', 'bundle.mjs')],
  ['esbuild to CommonJS', 'bundle.cjs', esbuild('cjs', 'bundle.cjs')],
  ['webpack', 'bundle.cjs', webpack('bundle.cjs')],
  ["Vite's build for servers", 'bundle.mjs', vite],
])('built by %s', (name, file, build) => {
  let deployed: string

  beforeAll(async () => {
    await run(process.execPath, build, { directory: project.directory })
    deployed = join(directory, name.replaceAll(/\W/g, '-'))
    await mkdir(deployed)
    await cp(join(project.directory, 'out', file), join(deployed, file))
    // Makes sure that the bundle does not load files from where it was built.
    await rm(join(project.directory, 'out'), { recursive: true })
  })

  test('a bundle without the binding says what to install, and does not suggest to run unlocked', async () => {
    const { status, output } = await tryRun(process.execPath, [file], { directory: deployed })
    expect(status).toBe(1)
    expect(output).toContain('ENOLOCK')
    expect(output).toContain('fs-native-extensions is not in a bundle: install it where the bundle runs')
    expect(output).not.toContain('unlocked')
  })

  test('a bundle with the binding next to it appends and reads', async () => {
    const modules = join(project.directory, 'node_modules')
    for (const dependency of await readdir(modules)) {
      if (!/^[@.]/.test(dependency))
        await cp(join(modules, dependency), join(deployed, 'node_modules', dependency), { recursive: true })
    }
    const ran = await tryRun(process.execPath, [join(deployed, file)], { directory: deployed })
    expect(ran).toEqual({ status: 0, output: '0 bundled\n' })
  })
})
