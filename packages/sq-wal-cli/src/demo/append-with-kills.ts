/** Has the whole input appended by one child after another, each but the last killed on its way. */
import { Random } from '@sq/sim'
import { CommandError } from '../command-error.ts'
import type { Input } from './input.ts'
import { runAppender, type AppenderLife } from './run-appender.ts'

export interface AppendPlan {
  readonly input: Input
  readonly dataDir: string
  /** In ascending order: a child is killed once so many records are acknowledged. */
  readonly killMoments: readonly number[]
}

/** The records are cut into as many equal parts as there are kills, and a moment drawn in each. */
export function drawKillMoments(kills: number, records: number, random: Random): number[] {
  return Array.from({ length: kills }, (_, kill) => {
    const begin = Math.floor((records * kill) / kills)
    const end = Math.floor((records * (kill + 1)) / kills)
    return begin + random.int(Math.max(end - begin, 1))
  })
}

/**
 * Resolves with the children's lives, one more than there are kills. Rejects with a `CommandError` as soon as a child
 * finds fewer records than were acknowledged to the one before.
 */
export async function appendWithKills(
  plan: AppendPlan,
  options: { readonly onProgress: (acknowledged: number, kills: number) => void; readonly signal: AbortSignal },
): Promise<AppenderLife[]> {
  const { input, dataDir, killMoments } = plan
  const lives: AppenderLife[] = []
  for (const [kills, killAt] of [...killMoments, null].entries()) {
    // A child that waits to be killed stops short of the next one's moment, so that a small input lasts for all kills.
    const until = killMoments[kills + 1] ?? input.records
    const life = await runAppender(
      { source: input, dataDir, until, close: killAt === null },
      { killAt, onProgress: (acknowledged) => options.onProgress(acknowledged, kills), signal: options.signal },
    )
    checkNothingLost(lives.at(-1), life)
    lives.push(life)
  }
  return lives
}

/** A child must find every record that was acknowledged to the one before it, whatever the kill has cut off. */
export function checkNothingLost(killed: AppenderLife | undefined, next: AppenderLife): void {
  const expected = killed?.acknowledged ?? 0
  if (next.from >= expected) return
  throw new CommandError(
    `acknowledged records are lost: ${expected} were acknowledged before the kill, ${next.from} are in the log now`,
  )
}
