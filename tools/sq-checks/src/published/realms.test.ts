/** The log works in the tests of those who use it, also where a test runner gives them a realm of their own. */
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
  project = await ConsumerProject.laidOut('npm', join(directory, 'project'), tarballs)
})

afterAll(() => rm(directory, { recursive: true }))

test.each(['vmThreads', 'vmForks'])('in the pool %s of vitest a log is opened, appended to and read', async (pool) => {
  const { status, output } = await project.node([VITEST, 'run', '--globals', `--pool=${pool}`, 'realm.test.mjs'])
  expect(output).toContain('1 passed')
  expect(status).toBe(0)
})
