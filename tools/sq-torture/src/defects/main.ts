/** `pnpm defects [--only NAME]`: seeds each defect alone into a copy of the sources. A check must detect it. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { main, readOptions, UsageError } from '../options.ts'
import { formatSeconds, withProgress } from '../progress.ts'
import type { Progress } from '../progress.ts'
import { CHECKS } from './checks.ts'
import { withDefect } from './defect.ts'
import type { Defect } from './defect.ts'
import { DEFECTS } from './defects.ts'
import { hunt } from './hunt.ts'
import type { Killer } from './hunt.ts'
import { ROOT } from './workspace.ts'

/** The number of defects that are hunted at the same time. Each keeps about one core busy. */
const AT_ONCE = 2
const MAX_VERDICT_LENGTH = 120

await main(async () => {
  const { only } = readOptions({ only: '' })
  const defects = DEFECTS.filter(({ name }) => only === '' || name === only)
  if (defects.length === 0) throw new UsageError(`--only expects the name of a defect, found ${JSON.stringify(only)}`)
  await mustBeSeedable(defects)
  const survivors = await withProgress((progress) => huntAll(defects, progress))
  if (survivors > 0) process.exitCode = 1
})

/** Hunts all defects, prints a line for each, and resolves with the number of survivors. */
async function huntAll(defects: readonly Defect[], progress: Progress): Promise<number> {
  const width = Math.max(...defects.map(({ name }) => name.length))
  let done = 0
  let survivors = 0
  const onDone = (defect: Defect, killer: Killer | null, elapsedMs: number) => {
    done++
    if (killer === null) survivors++
    const verdict = killer === null ? 'SURVIVES' : `${killer.check.name}: ${killer.what}`
    progress.clear()
    process.stdout.write(`${defect.name.padEnd(width)} ${formatSeconds(elapsedMs).padStart(8)}  ${briefly(verdict)}\n`)
    if (killer === null) process.stdout.write(`  replay: pnpm defects --only ${JSON.stringify(defect.name)}\n`)
    progress.show(() => `${done} of ${defects.length} defects, ${formatSeconds(progress.elapsedMs)}`)
  }
  await hunt(defects, { checks: CHECKS, atOnce: AT_ONCE, onDone })
  progress.clear()
  const killed = defects.length - survivors
  process.stdout.write(
    `seeded ${defects.length} defects: ${killed} killed, ${survivors} survive, ${formatSeconds(progress.elapsedMs)}\n`,
  )
  return survivors
}

/** Checks every defect before the first is hunted: a hunt takes minutes. */
async function mustBeSeedable(defects: readonly Defect[]): Promise<void> {
  for (const defect of defects) withDefect(await readFile(join(ROOT, 'packages', defect.file), 'utf8'), defect)
}

function briefly(text: string): string {
  return text.length > MAX_VERDICT_LENGTH ? `${text.slice(0, MAX_VERDICT_LENGTH - 3)}...` : text
}
