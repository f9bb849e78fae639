/** `pnpm bench [scenario...]`: measures reading, in a directory of its own under the working directory. */
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { followers } from './followers.ts'
import { memory } from './memory.ts'
import { opening } from './opening.ts'
import { replay } from './replay.ts'
import { seek } from './seek.ts'

/** By name; each prints what it has measured. */
const SCENARIOS = { replay, seek, opening, followers, memory } as const
/** `memory` writes and reads 10 GiB: only on request. */
const USUAL = ['replay', 'seek', 'opening', 'followers'] as const

type Name = keyof typeof SCENARIOS

function isName(name: string): name is Name {
  return Object.hasOwn(SCENARIOS, name)
}

const given = process.argv.slice(2).filter((argument) => argument !== '--')
const unknown = given.find((name) => !isName(name))
if (unknown === undefined) {
  const directory = await mkdtemp(join(process.cwd(), 'sq-bench-'))
  try {
    for (const name of given.length > 0 ? given.filter((named) => isName(named)) : USUAL) {
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
