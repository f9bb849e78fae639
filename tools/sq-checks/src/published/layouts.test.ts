/** The packages find each other and the binding for locks in every layout of `node_modules`. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ConsumerProject } from './consumer-project.ts'
import { pack } from './tarballs.ts'

let directory: string
let tarballs: Map<string, string>

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sq-layouts-'))
  tarballs = await pack(join(directory, 'tarballs'))
})

afterAll(() => rm(directory, { recursive: true }))

describe.each(['npm', 'npm linked', 'pnpm', 'pnpm without hoisting'] as const)('installed by %s', (layout) => {
  let project: ConsumerProject

  beforeAll(async () => {
    project = await ConsumerProject.withLayout(layout, join(directory, layout.replaceAll(' ', '-')), tarballs)
  })

  test('the command appends what it reads from a pipe, and prints it', async () => {
    const sqWal = join(project.directory, 'node_modules/.bin/sq-wal')
    const appended = await project.piped('piped', sqWal, ['append', 'orders/0', '--data-dir', 'data'])
    expect(appended).toEqual({ status: 0, output: expect.stringContaining('1 record is durable') })
    const shown = await project.command('sq-wal', ['cat', 'orders/0', '--data-dir', 'data'])
    expect(shown).toEqual({ status: 0, output: expect.stringContaining('piped') })
  })

  test('a program that has looked at its standard input, a pipe, can open a writer', async () => {
    const opened = await project.piped('ignored', process.execPath, ['after-a-pipe.mjs'])
    expect(opened).toEqual({ status: 0, output: 'opened at 0\n' })
  })
})
