/** The help of every command, as shown on a terminal. */
import { tmpdir } from 'node:os'
import { expect, it, vi } from 'vitest'
import { run } from './testing/command.ts'

// On a busy machine, starting a process takes long.
vi.setConfig({ testTimeout: 60_000 })

const COMMANDS = [
  'ls',
  'segments',
  'cat',
  'tail',
  'dump',
  'get',
  'diff',
  'salvage',
  'cp',
  'backup',
  'restore',
  'append',
  'verify',
  'report',
  'serve',
  'repair',
  'retain',
  'truncate',
  'archive',
  'archive push',
  'archive ls',
  'archive verify',
  'archive restore',
  'archive retain',
  'words',
  'completion',
  'man',
  'bench',
  'demo',
]

it.each([[], ...COMMANDS.map((name) => name.split(' '))].map((args) => [...args, '--help'].join(' ')))(
  'no line of %s has more than 120 columns',
  async (line) => {
    const { status, stdout } = await run(line.split(' '), { place: tmpdir() })
    expect([status, stdout.split('\n').filter((each) => each.length > 120)]).toEqual([0, []])
  },
)
