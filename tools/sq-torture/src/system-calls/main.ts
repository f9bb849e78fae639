/**
 * `pnpm system-calls [--scope all] [--only CALL,CALL]`: makes system calls on the files of a log fail with strace, one
 * after another, compares the log with what was acknowledged, and then checks the order of the calls. Each call fails
 * once with its usual errors. Calls that change the disk also fail together with all later ones. `--scope all` tries
 * further errors, and makes every call fail together with all later ones.
 */
import { join } from 'node:path'
import { main, readOptions, UsageError } from '../options.ts'
import { formatCount, formatSeconds, withProgress } from '../progress.ts'
import type { Progress } from '../progress.ts'
import { inWorkingDirectory } from '../torture/working-directory.ts'
import { checkCallOrder, ORDERED_CALLS } from './call-order.ts'
import { CALL_NAMES, listFaults } from './faults.ts'
import { runMatrix } from './matrix.ts'
import type { MatrixOptions } from './matrix.ts'
import { straceWatching, whyNoStrace } from './strace.ts'

await main(async () => {
  const { scope, only } = readOptions({ scope: '', only: '' })
  if (!['', 'all'].includes(scope)) throw new UsageError(`--scope expects "all", found ${scope}`)
  const names = only === '' ? CALL_NAMES : only.split(',')
  const unknown = names.find((name) => !CALL_NAMES.includes(name))
  if (unknown !== undefined)
    throw new UsageError(`--only expects calls among ${CALL_NAMES.join(', ')}, found ${unknown}`)
  const missing = await whyNoStrace()
  if (missing !== null) {
    process.stdout.write(`skipped: strace is needed to make system calls fail: ${missing}\n`)
    return
  }
  const replay = `pnpm system-calls${scope === '' ? '' : ` --scope ${scope}`}${only === '' ? '' : ` --only ${only}`}`
  await inWorkingDirectory({ parent: '', name: 'sq-system-calls', replay }, async (directory, signal) => {
    const faults = listFaults({ names, all: scope === 'all' })
    process.stdout.write(await withProgress((progress) => failCalls({ faults, directory, signal }, progress)))
    const task = { dataDir: join(directory, 'watched'), held: [], firstSerial: 0 }
    const { newSegments, acknowledgements } = checkCallOrder((await straceWatching(task, ORDERED_CALLS, signal)).trace)
    process.stdout.write(
      `watched ${acknowledgements} acknowledgements and ${newSegments} new segments: each only after everything it depends on ` +
        `was durable, 0 violations\n`,
    )
  })
})

/** Makes the calls fail, and resolves with a summary. */
async function failCalls(options: Omit<MatrixOptions, 'onRun'>, progress: Progress): Promise<string> {
  const sum = await runMatrix({
    ...options,
    onRun({ runs }) {
      progress.show(() => `${formatCount(runs)} runs, 0 violations, ${formatSeconds(progress.elapsedMs)}`)
    },
  })
  const injected = [...sum.injected].map(([name, count]) => `${formatCount(count)} ${name}`)
  return (
    `made system calls fail in ${formatCount(sum.runs)} runs (${injected.join(', ')}): ` +
    `${formatCount(sum.acknowledged)} records acknowledged, ${formatCount(sum.rejected)} rejected, 0 lost, ` +
    `0 violations, ${formatSeconds(progress.elapsedMs)}\n`
  )
}
