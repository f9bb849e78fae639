/** Appends the whole input in a sequence of child processes. Every child but the last is killed. */
import { Random } from '@sq/sim'
import { CommandError } from '../command-error.ts'
import type { Input } from './input.ts'
import { runAppender, type AppenderLife } from './run-appender.ts'

export interface AppendPlan {
  readonly input: Input
  readonly dataDir: string
  /** Numbers of acknowledged records at which a child is killed, in ascending order. */
  readonly killMoments: readonly number[]
}

/** Splits the records into one equal part per kill and draws a moment in each part. */
export function drawKillMoments(kills: number, records: number, random: Random): number[] {
  return Array.from({ length: kills }, (_, kill) => {
    const begin = Math.floor((records * kill) / kills)
    const end = Math.floor((records * (kill + 1)) / kills)
    return begin + random.int(Math.max(end - begin, 1))
  })
}

/**
 * Resolves with the lives of the children: one more than there are kills. Rejects with a `CommandError` as soon as a
 * child finds fewer records than were acknowledged to its predecessor.
 */
export async function appendWithKills(
  plan: AppendPlan,
  options: { readonly onProgress: (acknowledged: number, kills: number) => void; readonly signal: AbortSignal },
): Promise<AppenderLife[]> {
  const { input, dataDir, killMoments } = plan
  const lives: AppenderLife[] = []
  for (const [kills, killAt] of [...killMoments, null].entries()) {
    // A child that is about to be killed stops before the moment of the next kill, so that a small input suffices.
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

/** A child must find every record that was acknowledged to its predecessor. */
export function checkNothingLost(killed: AppenderLife | undefined, next: AppenderLife): void {
  const expected = killed?.acknowledged ?? 0
  if (next.from >= expected) return
  throw new CommandError(
    `acknowledged records are lost: ${expected} were acknowledged before the kill, but ${next.from} are in the log`,
  )
}
