/**
 * Compares what each entry point exports with its report in the repository, so that a change of the interface shows up
 * in review. `pnpm api` writes the reports.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, posix } from 'node:path'
import { afterAll, beforeAll, test } from 'vitest'
import { ROOT } from '../source-tree.ts'
import { run } from './run.ts'
import { publishedPackages } from './tarballs.ts'
import { tool } from './tools.ts'

let directory: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sq-api-'))
})

afterAll(() => rm(directory, { recursive: true }))

const entries = (await publishedPackages()).flatMap(([folder, { name, exports }]) =>
  Object.entries(exports).flatMap(([path, target]) => {
    if (typeof target === 'string') return []
    const report = join(folder, 'api', `${path === '.' ? 'index' : path.slice(2)}.api.md`)
    return [{ name: posix.join(name, path), entry: join(folder, target['types'] ?? ''), report }]
  }),
)

test.concurrent.for(entries)('$name exports what its report says', async ({ name, entry, report }, { expect }) => {
  const code = await declarations(entry)
  const text = `# ${name}\n\nThe exports of this entry point. Written by \`pnpm api\`.\n\n\`\`\`ts\n${code}\n\`\`\`\n`
  await expect(text, 'if this change of the interface is intended, run pnpm api').toMatchFileSnapshot(report)
})

/** Returns the declarations of an entry point and the types that they use, sorted by name, without comments. */
async function declarations(entry: string): Promise<string> {
  const project = await mkdtemp(join(directory, 'project-'))
  const config = join(project, 'api-extractor.json')
  await writeFile(join(project, 'package.json'), JSON.stringify({ name: 'report' }))
  await writeFile(config, JSON.stringify(configFor(entry, project)))
  const program = tool('@microsoft/api-extractor/bin/api-extractor')
  await run(process.execPath, [program, 'run', '--local', '--config', config], { directory: project })
  const report = await readFile(join(project, 'report.api.md'), 'utf8')
  const [, code = ''] = report.split(/^```.*\n/m)
  return code.replaceAll(/^ *\/\/.*\n/gm, '').trim()
}

function configFor(entry: string, project: string): object {
  const node = { module: 'nodenext', types: ['node'], typeRoots: [join(ROOT, 'node_modules/@types')] }
  const compilerOptions = { target: 'es2023', lib: ['es2023'], strict: true, ...node }
  const quiet = { default: { logLevel: 'none' } }
  return {
    projectFolder: project,
    mainEntryPointFilePath: entry,
    newlineKind: 'lf',
    compiler: { overrideTsconfig: { compilerOptions, files: [entry] } },
    apiReport: {
      enabled: true,
      // A type that an exported declaration uses is part of the interface, too.
      includeForgottenExports: true,
      reportFileName: 'report.api.md',
      reportFolder: project,
      reportTempFolder: join(project, 'temporary'),
    },
    docModel: { enabled: false },
    dtsRollup: { enabled: false },
    tsdocMetadata: { enabled: false },
    messages: { extractorMessageReporting: quiet, tsdocMessageReporting: quiet },
  }
}
