/** The steps of one process on a log, drawn from a seed. The process and its judge draw the same steps. */
import { Random } from '@sq/sim'

export type Step =
  /** Appends this number of records, as a batch if it is more than one. */
  | { readonly kind: 'append'; readonly records: number }
  /** Ends the active segment during appends in flight. */
  | { readonly kind: 'rotate' }
  /** Opens the log, and closes it before if it is open. */
  | { readonly kind: 'open'; readonly maxSegmentBytes: number }

/** The endless steps of a seed. */
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

/** Whether a process of this seed can have appended exactly this number of records, without a partial append. */
export function isWholeAppends(seed: number, records: number): boolean {
  let appended = 0
  for (const step of drawSteps(seed)) {
    if (appended >= records) break
    if (step.kind === 'append') appended += step.records
  }
  return appended === records
}
