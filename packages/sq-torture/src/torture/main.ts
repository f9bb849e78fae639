/**
 * `pnpm torture --kills N [--seed S] [--dir DIR] [--only kills|disk-full]`: kills processes that append to a log on a
 * real disk, and fills small disks, and holds what is left against what was acknowledged. The seed draws what the
 * processes do and when they are killed; where exactly a kill falls is up to the machine.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { main, readOptions, UsageError } from '../options.ts'
import { formatCount, formatSeconds, Progress } from '../progress.ts'
import { fillDisks } from './disk-full.ts'
import { torture } from './kills.ts'

const PARTS = ['kills', 'disk-full']

await main(async () => {
  const options = readOptions({ kills: 1000, seed: 1, dir: '', only: '' })
  if (options.only !== '' && !PARTS.includes(options.only)) {
    throw new UsageError(`--only takes ${PARTS.join(' or ')}, not ${options.only}`)
  }
  const interrupted = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => interrupted.abort(new Error(`ended by ${signal}`)))
  }
  const directory = await mkdtemp(join(options.dir === '' ? tmpdir() : options.dir, 'sq-torture-'))
  const tortured = { ...options, directory, signal: interrupted.signal }
  try {
    if (options.only !== 'disk-full') await kill(tortured)
    if (options.only !== 'kills') await fill(tortured)
  } catch (error) {
    if (!interrupted.signal.aborted) throw violation(error, tortured)
    await rm(directory, { recursive: true })
    throw error
  }
  await rm(directory, { recursive: true })
})

interface Tortured {
  readonly kills: number
  readonly seed: number
  readonly directory: string
  readonly only: string
  readonly signal: AbortSignal
}

async function kill({ kills, seed, directory, signal }: Tortured): Promise<void> {
  const progress = new Progress()
  const onKill = (sum: { kills: number }) =>
    progress.show(() => {
      const far = `${formatCount(sum.kills)} of ${formatCount(kills)} kills`
      return `${far}, 0 violations, ${formatSeconds(progress.elapsedMs)}`
    })
  try {
    const sum = await torture({ kills, seed, directory, signal, onKill })
    progress.clear()
    process.stdout.write(
      `killed ${formatCount(sum.kills)} processes on ${formatCount(sum.logs)} logs, ${formatCount(sum.whileOpening)} of ` +
        `them while they opened the log: ${formatCount(sum.acknowledged)} records acknowledged, ` +
        `${formatCount(sum.tornEnds)} torn ends of ${formatCount(sum.tornBytes)} bytes, 0 lost, ` +
        `0 violations, ${formatSeconds(progress.elapsedMs)}\n`,
    )
  } finally {
    progress.clear()
  }
}

async function fill({ directory, signal }: Tortured): Promise<void> {
  for await (const line of fillDisks(directory, signal)) process.stdout.write(`${line}\n`)
}

function violation(error: unknown, { kills, seed, directory, only }: Tortured): Error {
  const what = error instanceof Error ? error.message : String(error)
  const replay = `pnpm torture --kills ${kills} --seed ${seed}${only === '' ? '' : ` --only ${only}`}`
  return new Error(`VIOLATION ${what}\n  replay: ${replay}\n  the logs are kept in ${directory}`, { cause: error })
}
