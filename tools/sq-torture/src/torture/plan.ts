/** What one process does with a log, drawn from a seed: the process and whoever judges it draw the same steps. */
import { Random } from '@sq/sim'

export type Step =
  /** Appends so many records as one. */
  | { readonly kind: 'append'; readonly records: number }
  /** Ends the active segment while appends are under way. */
  | { readonly kind: 'rotate' }
  /** Opens the log, which was closed before if it was open. */
  | { readonly kind: 'open'; readonly maxSegmentBytes: number }

/** The steps of a seed; they never end. */
export function* drawSteps(seed: number): Generator<Step, never, undefined> {
  const random = new Random(seed)
  yield drawOpening(random)
  for (;;) {
    const draw = random.float()
    if (draw < 0.003) yield { kind: 'rotate' }
    else if (draw < 0.005) yield drawOpening(random)
    else yield { kind: 'append', records: random.chance(0.1) ? 2 + random.int(20) : 1 }
  }
}

function drawOpening(random: Random): Step {
  const sizes = [64 * 1024 * 1024, 64 * 1024 * 1024, 64 * 1024 * 1024, 1024 * 1024, 50_000]
  return { kind: 'open', maxSegmentBytes: random.pick(sizes) }
}

/** Whether a process of this seed can have appended exactly so many records: no append is there in part. */
export function isWholeAppends(seed: number, records: number): boolean {
  let appended = 0
  for (const step of drawSteps(seed)) {
    if (appended >= records) break
    if (step.kind === 'append') appended += step.records
  }
  return appended === records
}
