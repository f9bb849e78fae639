/** A part of the benchmark measures one thing and yields its tables and charts. */

/** The options of a run. */
export interface Settings {
  /** Whether to measure only this log and plain files, for a shorter time. */
  readonly quick: boolean
  /** How often each thing is measured. Things that are compared take turns. */
  readonly rounds: number
  /** Whether a contender of this name is measured. */
  readonly isWanted: (contender: string) => boolean
  /** How long the part `memory` appends. */
  readonly minutes: number
}

/** A table for people. `figures` holds the same for programs, with every round. */
export interface Table {
  readonly title: string
  /** The first column names the row; the others hold figures. */
  readonly columns: readonly string[]
  readonly rows: readonly (readonly string[])[]
  readonly figures: unknown
}

export interface Chart {
  readonly title: string
  /** What it shows, with units, in one sentence. */
  readonly caption: string
  /** The name of its file. */
  readonly file: string
  readonly svg: string
}

/** Gets the path of a directory that does not exist yet. The caller removes it. */
export type Part = (directory: string, settings: Settings) => AsyncIterable<Table | Chart>
