/**
 * Hunts defects: seeds each one alone and runs the checks until one fails. A failure counts only if the same check
 * passes on sources without a defect.
 */
import { SystemClock } from '@sq/sim'
import type { Check } from './checks.ts'
import type { Defect } from './defect.ts'
import { Workspace } from './workspace.ts'

/** The check that detected a defect. */
export interface Killer {
  readonly check: Check
  /** The name of a test, or the violation that was found. */
  readonly what: string
}

export interface HuntOptions {
  /** The checks, tried in this order. */
  readonly checks: readonly Check[]
  /** The number of defects that are hunted at the same time. */
  readonly atOnce: number
  /** Called for every defect. `killer` is null if it survived all checks. */
  readonly onDone: (defect: Defect, killer: Killer | null, elapsedMs: number) => void
}

const clock = new SystemClock()

/** Hunts every defect. Rejects if a defect cannot be seeded, or if a check fails without one. */
export async function hunt(defects: readonly Defect[], { checks, atOnce, onDone }: HuntOptions): Promise<void> {
  const waiting = [...defects]
  const sound = new SoundChecks()
  const work = async (): Promise<void> => {
    const workspace = await Workspace.create()
    try {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const defect = next
        const startedMs = clock.monotonic()
        const tried = checks.filter(({ folders }) => folders.some((folder) => defect.file.startsWith(`${folder}/`)))
        const killer = await workspace.with(defect, () => firstToFail(tried, workspace))
        if (killer !== null) await sound.confirm(killer.check)
        onDone(defect, killer, clock.monotonic() - startedMs)
      }
    } finally {
      // After one has failed, the others start nothing new.
      waiting.length = 0
      await workspace.remove()
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, defects.length) }, work))
}

async function firstToFail(checks: readonly Check[], workspace: Workspace): Promise<Killer | null> {
  for (const check of checks) {
    const what = await check.run(workspace)
    if (what !== null) return { check, what }
  }
  return null
}

/** Checks that pass on sources without a defect. Each is tried once, when it is first needed. */
class SoundChecks {
  readonly #tried = new Map<Check, Promise<void>>()

  async confirm(check: Check): Promise<void> {
    const tried = this.#tried.get(check) ?? passWithoutDefect(check)
    this.#tried.set(check, tried)
    await tried
  }
}

async function passWithoutDefect(check: Check): Promise<void> {
  const workspace = await Workspace.create()
  try {
    const what = await check.run(workspace)
    if (what !== null) throw new Error(`the check "${check.name}" fails without a defect: ${what}`)
  } finally {
    await workspace.remove()
  }
}
