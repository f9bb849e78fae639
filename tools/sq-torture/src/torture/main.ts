/**
 * `pnpm torture --kills N [--seed S] [--dir DIR] [--only kills|disk-full]`: kills processes that append to a log on a
 * real disk, fills small disks, and compares the log with what was acknowledged. The actions of the processes and the
 * times of the kills are drawn from the seed; the exact moment of a kill depends on the machine.
 */
import { main, mustBePositive, readOptions, UsageError } from '../options.ts'
import { formatCount, formatSeconds, withProgress } from '../progress.ts'
import type { Progress } from '../progress.ts'
import { fillDisks } from './disk-full.ts'
import { torture } from './kills.ts'
import type { KillOptions } from './kills.ts'
import { inWorkingDirectory } from './working-directory.ts'

const PARTS = ['', 'kills', 'disk-full']

await main(async () => {
  const { kills, seed, dir, only } = readOptions({ kills: 1000, seed: 1, dir: '', only: '' })
  if (!PARTS.includes(only)) throw new UsageError(`--only expects kills or disk-full, found ${only}`)
  if (only !== 'disk-full') mustBePositive({ kills })
  const given = Object.entries({ dir, only }).filter(([, value]) => value !== '')
  const further = given.map(([name, value]) => ` --${name} ${value}`)
  const replay = `pnpm torture --kills ${kills} --seed ${seed}${further.join('')}`
  await inWorkingDirectory({ parent: dir, name: 'sq-torture', replay }, async (directory, signal) => {
    if (only !== 'disk-full') {
      process.stdout.write(await withProgress((progress) => kill({ kills, seed, directory, signal }, progress)))
    }
    if (only === 'kills') return
    for await (const line of fillDisks(directory, signal)) process.stdout.write(`${line}\n`)
  })
})

/** Performs the kills, and resolves with a summary. */
async function kill(options: Omit<KillOptions, 'onKill'>, progress: Progress): Promise<string> {
  const sum = await torture({
    ...options,
    onKill({ kills }) {
      progress.show(() => {
        const far = `${formatCount(kills)} of ${formatCount(options.kills)} kills`
        return `${far}, 0 violations, ${formatSeconds(progress.elapsedMs)}`
      })
    },
  })
  return (
    `killed ${formatCount(sum.kills)} processes on ${formatCount(sum.logs)} logs, ` +
    `${formatCount(sum.whileOpening)} of them while they opened the log: ` +
    `${formatCount(sum.acknowledged)} records acknowledged, ` +
    `${formatCount(sum.tornEnds)} torn tails of ${formatCount(sum.tornBytes)} bytes, 0 lost, ` +
    `0 violations, ${formatSeconds(progress.elapsedMs)}\n`
  )
}
