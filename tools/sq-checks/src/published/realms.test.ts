/** The log works in a user's tests, also if the test runner gives each of them a separate realm. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ConsumerProject } from './consumer-project.ts'
import { pack } from './tarballs.ts'
import { VITEST } from './tools.ts'

let directory: string
let project: ConsumerProject

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sq-realms-'))
  const tarballs = await pack(join(directory, 'tarballs'))
  tarballs.delete('@sq/wal-cli')
  project = await ConsumerProject.withLayout('npm', join(directory, 'project'), tarballs)
})

afterAll(() => rm(directory, { recursive: true }))

test.each(['vmThreads', 'vmForks'])(
  'in the %s pool of vitest, a log can be opened, appended to and read',
  async (pool) => {
    const { status, output } = await project.node([VITEST, 'run', '--globals', `--pool=${pool}`, 'realm.test.mjs'])
    expect(output).toContain('1 passed')
    expect(status).toBe(0)
  },
)
