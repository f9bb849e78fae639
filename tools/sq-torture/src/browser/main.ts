/**
 * `pnpm test:browser [--require] [--pictures DIR]`: tests the pages of `sq-wal report` and `sq-wal serve` in a real
 * browser. Where none can be had, it says so and succeeds, unless `--require` is given. `--pictures` writes the pictures
 * of the documentation.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { NoPackagesError } from '../debian-packages.ts'
import { main, UsageError } from '../options.ts'
import { formatSeconds } from '../progress.ts'
import { openBrowser } from './browser.ts'
import type { Surroundings } from './check.ts'
import { LIVE_CHECKS } from './live-checks.ts'
import { makeLogs } from './logs.ts'
import { REPORT_CHECKS } from './report-checks.ts'
import { serve, sqWal } from './sq-wal.ts'

const CHECKS = [...REPORT_CHECKS, ...LIVE_CHECKS]

await main(async () => {
  const { require: isRequired, pictures } = readOptions()
  const ended = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => ended.abort(new Error(`ended by ${signal}`)))
  }
  try {
    await checkPages(pictures, ended.signal)
  } catch (error) {
    if (isRequired || !(error instanceof NoPackagesError)) throw error
    process.stdout.write(`skipped: there is no SQ_CHROMIUM, and no browser: ${error.message}\n`)
  }
})

function readOptions(): { require: boolean; pictures: string | null } {
  try {
    const { values } = parseArgs({
      options: { require: { type: 'boolean', default: false }, pictures: { type: 'string' } },
    })
    return { require: values.require, pictures: values.pictures === undefined ? null : resolve(values.pictures) }
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

async function checkPages(pictures: string | null, signal: AbortSignal): Promise<void> {
  const browser = await openBrowser(signal)
  const place = await mkdtemp(join(tmpdir(), 'sq-pages-'))
  try {
    await makeLogs(join(place, 'data'))
    await sqWal(['report', 'damaged/0', '-d', 'data', '-o', 'damaged.html', '--bytes', '2MB'], place)
    await sqWal(['report', 'hostile/0', '-d', 'data', '-o', 'hostile.html'], place)
    await sqWal(['report', '--all', '-d', 'data', '-o', 'all.html'], place)
    const served = await serve('data', place)
    try {
      await check({ browser, place, address: served.address, pictures }, signal)
    } finally {
      await served.close()
    }
  } finally {
    await browser.close()
    await rm(place, { recursive: true })
  }
}

async function check(surroundings: Surroundings, signal: AbortSignal): Promise<void> {
  const name = `Chromium ${surroundings.browser.version()}`
  const beganMs = performance.now()
  const failures: string[] = []
  for (const { name: fact, run } of CHECKS) {
    signal.throwIfAborted()
    await run(surroundings).catch((error: unknown) => {
      failures.push(fact)
      process.stdout.write(`FAILED: ${fact}\n  ${error instanceof Error ? error.stack : String(error)}\n`)
    })
  }
  if (failures.length > 0) throw new Error(`${failures.length} of ${CHECKS.length} facts do not hold in ${name}`)
  process.stdout.write(`${CHECKS.length} facts hold in ${name}, ${formatSeconds(performance.now() - beganMs)}\n`)
}
