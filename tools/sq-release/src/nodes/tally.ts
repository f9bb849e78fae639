/** The result of one test run, from the output of the test runner, and the table of all runs. */

export interface Tally {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

export interface NodeRun extends Tally {
  /** `20.19.0` */
  readonly version: string
  /** Null if a signal ended the run. */
  readonly status: number | null
  readonly elapsedMs: number
}

/** Adds up the lines `Tests  2 failed | 125 passed (127)` of an output: there is one for each package. */
export function tallyOf(log: string): Tally {
  const lines = Array.from(log.matchAll(/^ *Tests {2}(.*)$/gm), ([, counts = '']) => counts)
  const sum = (word: string) =>
    lines.reduce((total, counts) => total + Number(new RegExp(String.raw`(\d+) ${word}`).exec(counts)?.[1] ?? 0), 0)
  return { passed: sum('passed'), failed: sum('failed'), skipped: sum('skipped') }
}

/** Whether a run succeeded. A run without tests has failed, and so has one that ended abnormally after its tests. */
export function succeeded({ status, passed, failed }: NodeRun): boolean {
  return status === 0 && failed === 0 && passed > 0
}

/** One line per run, after a line with the titles of the columns. */
export function tableOf(runs: readonly NodeRun[]): string {
  const rows = [
    ['Node', 'passed', 'failed', 'skipped', 'seconds', ''],
    ...runs.map((run) => {
      const { version, passed, failed, skipped, elapsedMs } = run
      const numbers = [passed, failed, skipped, Math.round(elapsedMs / 1000)].map(String)
      return [version, ...numbers, succeeded(run) ? 'ok' : `FAILED, exit status ${run.status ?? 'none'}`]
    }),
  ]
  return rows.map(line).join('\n')
}

function line([version = '', passed = '', failed = '', skipped = '', seconds = '', verdict = '']: string[]): string {
  const numbers = [passed, failed, skipped, seconds].map((text) => text.padStart(9))
  return `${version.padEnd(10)}${numbers.join('')}  ${verdict}`.trimEnd()
}
