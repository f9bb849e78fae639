/**
 * `pnpm system-calls [--scope all] [--only CALL,CALL]`: has strace make the system calls on a log's files fail, one
 * after another, and holds the log against what was acknowledged; then looks at the order of the calls. Each call fails
 * once with its usual errors, and those that change the disk also with all later ones. `--scope all` tries further
 * errors, and lets every call fail for good.
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
  if (!['', 'all'].includes(scope)) throw new UsageError(`--scope takes all, not ${scope}`)
  const names = only === '' ? CALL_NAMES : only.split(',')
  const unknown = names.find((name) => !CALL_NAMES.includes(name))
  if (unknown !== undefined) throw new UsageError(`--only takes ${CALL_NAMES.join(', ')}, not ${unknown}`)
  const missing = await whyNoStrace()
  if (missing !== null) {
    process.stdout.write(`skipped: only strace can make system calls fail: ${missing}\n`)
    return
  }
  const replay = `pnpm system-calls${scope === '' ? '' : ` --scope ${scope}`}${only === '' ? '' : ` --only ${only}`}`
  await inWorkingDirectory({ parent: '', name: 'sq-system-calls', replay }, async (directory, signal) => {
    const faults = listFaults({ names, all: scope === 'all' })
    process.stdout.write(await withProgress((progress) => failCalls({ faults, directory, signal }, progress)))
    const task = { dataDir: join(directory, 'watched'), held: [], firstSerial: 0 }
    const { newSegments, acknowledgements } = checkCallOrder((await straceWatching(task, ORDERED_CALLS, signal)).trace)
    process.stdout.write(
      `watched ${acknowledgements} acknowledgements and ${newSegments} new segments: each only after all it rests on ` +
        `was durable, 0 violations\n`,
    )
  })
})

/** Makes the calls fail, and resolves with what there is to tell. */
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
