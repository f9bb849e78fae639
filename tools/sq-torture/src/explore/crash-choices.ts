/** Which outcomes of a power cut are tried: all of them if there are few, else a wide selection. */
import type { Random } from '@sq/sim'
import type { CrashChoice, CrashState, Fill } from '@sq/sim/memory'

/** Up to this number of combinations, all are tried. */
const MAX_COMBINATIONS = 256
/** With more, this number is drawn at random in addition to the regular ones. */
const SAMPLES = 64
const FILLS: readonly Fill[] = ['zeros', 'garbage', 'stale']

/** The number of outcomes that are tried for a stop during recovery from a stop. */
const SOME = 6

/** Selects choices. */
export type Choices = (state: CrashState, random: Random) => Iterable<CrashChoice>

/** The choices to try at one moment: all combinations or a wide selection, and every sector torn at every byte. */
export function* choicesAt(state: CrashState, random: Random): Generator<CrashChoice> {
  const isSmall = state.combinations <= MAX_COMBINATIONS
  yield* filled(state, isSmall ? state.everyChoice() : wideChoice(state, random))
  yield* torn(state)
}

/** A few random choices. */
export function* someChoicesAt(state: CrashState, random: Random): Generator<CrashChoice> {
  if (state.combinations <= SOME) yield* state.everyChoice()
  else for (let sample = 0; sample < SOME; sample++) yield state.randomChoice(random)
}

/** Each choice with every possible content of sectors that exist but were never written. */
function* filled(state: CrashState, choices: Iterable<CrashChoice>): Generator<CrashChoice> {
  const sizes = state.points.flatMap(({ kind }, index) => (kind === 'size' ? [index] : []))
  for (const choice of choices) {
    // Only a file that has become longer can have such sectors.
    const fills = sizes.some((index) => choice.picks[index] !== 0) ? FILLS : FILLS.slice(0, 1)
    for (const fill of fills) yield { ...choice, fill }
  }
}

/** All and none, each point alone, all but each, all up to each, and random ones. */
function* wideChoice({ points }: CrashState, random: Random): Generator<CrashChoice> {
  const all = points.map(({ alternatives }) => alternatives - 1)
  const nothing = points.map(() => 0)
  yield { picks: nothing }
  yield { picks: all }
  for (const [index, { alternatives }] of points.entries()) {
    for (let pick = 1; pick < alternatives; pick++) yield { picks: nothing.with(index, pick) }
    for (let pick = 0; pick < alternatives - 1; pick++) yield { picks: all.with(index, pick) }
    yield { picks: [...all.slice(0, index), ...nothing.slice(index)] }
    yield { picks: [...nothing.slice(0, index), ...all.slice(index)] }
  }
  for (let sample = 0; sample < SAMPLES; sample++) {
    yield { picks: points.map(({ alternatives }) => random.int(alternatives)) }
  }
}

/**
 * One sector is torn, at every byte that makes a difference, and the others survive: all of them, those before, or
 * none.
 */
function* torn(state: CrashState): Generator<CrashChoice> {
  const { points } = state
  const all = points.map(({ alternatives }) => alternatives - 1)
  for (const [point, { kind }] of points.entries()) {
    if (kind !== 'sector') continue
    const without = (left: (sector: number) => boolean) =>
      all.map((last, index) => (points[index]?.kind === 'sector' && left(index) ? 0 : last))
    const choices = [all, without((sector) => sector > point), without((sector) => sector !== point)]
    const tears = state.tears(point)
    for (const picks of distinct(choices)) {
      for (const bytes of tears) {
        yield { picks, torn: { point, bytes } }
        yield { picks, torn: { point, bytes, garbage: true } }
      }
    }
  }
}

function distinct(choices: readonly number[][]): Iterable<number[]> {
  return new Map(choices.map((picks) => [picks.join(), picks])).values()
}
