/** `sq-wal demo`, installed from npm without the optional package with the real flights. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ConsumerProject } from './consumer-project.ts'
import { pack } from './tarballs.ts'

test('the installed demo generates flights, and finds all of them intact', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'sq-consumer-'))
  try {
    const tarballs = await pack(join(directory, 'tarballs'))
    const packages = ['@sq/sim', '@sq/storage', '@sq/archive', '@sq/wal-cli'].map((name) => tarballs.get(name) ?? '')
    const project = await ConsumerProject.make(join(directory, 'commanded'), packages)
    const { status, output } = await project.command('sq-wal', ['demo', '--kills', '1'])
    expect(output).toMatch(/^231,083 made-up flights \(the real ones .*; kills: 1, seed: 1\n/)
    expect(output).toMatch(/\n231083 of 231083 records intact\n$/)
    expect(status).toBe(0)
  } finally {
    await rm(directory, { recursive: true })
  }
})
