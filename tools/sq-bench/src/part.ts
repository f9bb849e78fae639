/** A part of the benchmark: it measures something and tells what it found, piece by piece. */

/** What a run of the benchmark was told. */
export interface Settings {
  /** Ourselves and the disk only, for a shorter time. */
  readonly quick: boolean
  /** How often each thing is measured, in turn with what it is compared with. */
  readonly rounds: number
  /** Whether a contender of this name is measured. */
  readonly isWanted: (contender: string) => boolean
  /** How long memory is watched. */
  readonly minutes: number
}

/** For people, as text; `figures` are the same for programs, with every round. */
export interface Table {
  readonly title: string
  /** The first column names a row; the others hold figures. */
  readonly columns: readonly string[]
  readonly rows: readonly (readonly string[])[]
  readonly figures: unknown
}

export interface Chart {
  readonly title: string
  /** The name of its file. */
  readonly file: string
  readonly svg: string
}

/** May use a directory that is not there yet; whoever calls removes it. */
export type Part = (directory: string, settings: Settings) => AsyncIterable<Table | Chart>
