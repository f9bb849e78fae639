/** `pnpm bench [--quick] [--out DIR] [scenario...]`: measures, in a directory of its own in the working directory. */
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { appending } from './appending/main.ts'
import { followers } from './followers.ts'
import { memory } from './memory.ts'
import { opening } from './opening.ts'
import { partitions } from './partitions.ts'
import { replay } from './replay.ts'
import { seek } from './seek.ts'

const { values: options, positionals } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== '--'),
  options: { quick: { type: 'boolean', default: false }, out: { type: 'string' } },
  allowPositionals: true,
})
const { quick, out = null } = options

/** By name; each prints what it has measured. */
const SCENARIOS = {
  append: (directory: string) => appending(directory, { quick, out }),
  replay,
  seek,
  opening,
  followers,
  partitions,
  memory,
} as const
/** `memory` writes and reads 10 GiB: only on request. */
const USUAL: readonly Name[] = quick ? ['append'] : ['append', 'replay', 'seek', 'opening', 'followers', 'partitions']

type Name = keyof typeof SCENARIOS

function isName(name: string): name is Name {
  return Object.hasOwn(SCENARIOS, name)
}

const unknown = positionals.find((name) => !isName(name))
if (unknown === undefined) {
  const directory = await mkdtemp(join(process.cwd(), 'sq-bench-'))
  try {
    for (const name of positionals.length > 0 ? positionals.filter((named) => isName(named)) : USUAL) {
      process.stdout.write(`${name}\n`)
      await SCENARIOS[name](join(directory, name))
    }
  } finally {
    await rm(directory, { recursive: true })
  }
} else {
  const known = Object.keys(SCENARIOS).join(', ')
  process.stderr.write(`there is no scenario ${JSON.stringify(unknown)}: there are ${known}\n`)
  process.exitCode = 2
}
