/** `pnpm bench`: runs the benchmarks in a temporary directory in the working directory. `--help` lists its options. */
import { mkdirSync, rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { SystemClock } from '@sq/sim'
import { appending, CONTENDER_NAMES, QUICK_CONTENDER_NAMES } from './appending/main.ts'
import { diagnostics } from './diagnostics.ts'
import { fetch } from './fetch.ts'
import { idlePartitions } from './idle-partitions/main.ts'
import { describeMachine } from './machine.ts'
import { tableToMarkdown } from './markdown.ts'
import { memory } from './memory/main.ts'
import { opening } from './opening.ts'
import type { Chart, Part, Settings, Table } from './part.ts'
import { partitions } from './partitions.ts'
import { replay } from './replay.ts'
import { replica } from './replica.ts'
import { writeResults } from './results-folder.ts'
import { retention } from './retention.ts'
import { seek } from './seek.ts'
import { tailing } from './tailing.ts'

/** Loads the S3 client only if the part runs: with it in memory, the other parts read half as fast. */
const archive: Part = async function* (directory, settings) {
  const loaded = await import('./archive/main.ts')
  yield* loaded.archive(directory, settings)
}

const PARTS = {
  append: appending,
  replay,
  seek,
  fetch,
  opening,
  tailing,
  replica,
  retention,
  partitions,
  'idle-partitions': idlePartitions,
  archive,
  diagnostics,
  memory,
} as const
type Name = keyof typeof PARTS

/** `memory` takes ten minutes, so it runs only on request. */
const USUAL = Object.keys(PARTS)
  .filter((name) => isName(name))
  .filter((name) => name !== 'memory')

const USAGE = `pnpm bench [--quick] [--rounds N] [--only NAME]... [--minutes N] [--out DIR] [part]...
parts: ${Object.keys(PARTS).join(', ')}; docs/benchmarks.md says what they measure
`

const ROUNDS = 5
const QUICK_ROUNDS = 3
const MINUTES = 10

/** The signals that end a run, with the numbers that a shell expects in the exit status. */
const SIGNALS = [
  ['SIGHUP', 1],
  ['SIGINT', 2],
  ['SIGTERM', 15],
] as const

/** The options of a run. */
interface Request {
  readonly parts: readonly Name[]
  readonly settings: Settings
  /** The directory for the results, or null. */
  readonly out: string | null
}

/** Parses the arguments. Null for `--help`. Throws an error that says what is wrong with them. */
function parse(args: readonly string[]): Request | null {
  const { values, positionals } = parseArgs({
    args: args.filter((argument) => argument !== '--'),
    options: {
      help: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      only: { type: 'string', multiple: true, default: [] },
      minutes: { type: 'string' },
      out: { type: 'string' },
    },
    allowPositionals: true,
  })
  if (values.help) return null
  const { quick, only, out = null } = values
  const unknown = positionals.find((name) => !isName(name))
  if (unknown !== undefined) throw new Error(noSuch('part', unknown, Object.keys(PARTS)))
  const contenders = quick ? QUICK_CONTENDER_NAMES : CONTENDER_NAMES
  const nobody = only.find((begin) => !contenders.some((name) => name.startsWith(begin)))
  if (nobody !== undefined) throw new Error(noSuch('contender whose name begins with', nobody, contenders))
  const named = positionals.filter((name) => isName(name))
  // A directory that cannot be written must be an error now, not after twenty minutes.
  if (out !== null) mkdirSync(out, { recursive: true })
  return {
    parts: named.length > 0 ? named : quick ? ['append'] : USUAL,
    settings: {
      quick,
      rounds: positive('--rounds', values.rounds) ?? (quick ? QUICK_ROUNDS : ROUNDS),
      isWanted: (name) => only.length === 0 || only.some((begin) => name.startsWith(begin)),
      minutes: positive('--minutes', values.minutes) ?? MINUTES,
    },
    out,
  }
}

function isName(name: string): name is Name {
  return Object.hasOwn(PARTS, name)
}

function noSuch(what: string, given: string, known: readonly string[]): string {
  return `there is no ${what} ${JSON.stringify(given)}: there are ${known.join('; ')}`
}

function positive(option: string, given: string | undefined): number | null {
  if (given === undefined) return null
  if (!/^[1-9]\d{0,3}$/.test(given)) throw new Error(`${option} expects a whole number from 1 to 9999, found ${given}`)
  return Number(given)
}

async function run({ parts, settings, out }: Request): Promise<void> {
  const clock = new SystemClock()
  const beganMs = clock.monotonic()
  const directory = await mkdtemp(join(process.cwd(), 'sq-bench-'))
  const machine = describeMachine(directory)
  process.stdout.write(`${machine}\n\n`)
  // The directory can have gigabytes, so it is removed after an interruption, too.
  const breakOff = (exitCode: number): void => {
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
    process.exit(exitCode)
  }
  for (const [signal, number] of SIGNALS) process.once(signal, () => breakOff(128 + number))
  // The reader of the output has exited.
  process.stdout.once('error', () => breakOff(1))
  try {
    for (const name of parts) {
      const place = join(directory, name)
      const part: Part = PARTS[name]
      const found: (Table | Chart)[] = []
      for await (const each of part(place, settings)) {
        found.push(each)
        if ('figures' in each) process.stdout.write(`${tableToMarkdown(each)}\n`)
      }
      if (out !== null) await writeResults(out, { name, rounds: settings.rounds, machine, found })
      await rm(place, { recursive: true, force: true })
    }
  } finally {
    await rm(directory, { recursive: true })
  }
  process.stderr.write(`${((clock.monotonic() - beganMs) / 60_000).toFixed(1)} minutes\n`)
}

let request: Request | null = null
try {
  request = parse(process.argv.slice(2))
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 2
}
if (request !== null) await run(request)
else if (process.exitCode === undefined) process.stdout.write(USAGE)
