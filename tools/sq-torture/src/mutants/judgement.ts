/** The result for the mutants: the score of each file, and the unexplained survivors. */
import type { Change, Mutant } from './stryker.ts'

/** A mutant that no test can or should detect, with the reason. */
export interface Equivalent {
  /** The path of the file, from the sources of the log. */
  readonly file: string
  /** The line in which it begins, if the original text occurs more than once in the file. */
  readonly line?: string
  /** The original text and its replacement, word for word. */
  readonly original: string
  readonly replacement: string
  readonly why: string
}

export interface Judgement {
  readonly files: readonly FileScore[]
  /** Survivors without an entry. */
  readonly unexplained: readonly Mutant[]
}

interface FileScore {
  readonly file: string
  readonly mutants: number
  readonly noticed: number
  /** Survivors with an entry. */
  readonly equivalent: number
}

/** Whether a change has an entry. */
export function isListed(change: Change, equivalent: readonly Equivalent[]): boolean {
  return equivalent.some(
    ({ file, line = change.text, original, replacement }) =>
      change.file.endsWith(`/wal/${file}`) &&
      change.text === line &&
      change.original === original &&
      change.replacement === replacement,
  )
}

export function judge(mutants: readonly Mutant[], equivalent: readonly Equivalent[]): Judgement {
  const survivors = mutants.filter(({ survived }) => survived)
  const files = [...new Set(mutants.map(({ file }) => file))].map((file) => {
    const ofFile = mutants.filter((mutant) => mutant.file === file)
    const left = survivors.filter((mutant) => mutant.file === file)
    return {
      file,
      mutants: ofFile.length,
      noticed: ofFile.length - left.length,
      equivalent: left.filter((mutant) => isListed(mutant, equivalent)).length,
    }
  })
  return { files, unexplained: survivors.filter((mutant) => !isListed(mutant, equivalent)) }
}

/** One line per file: how many of its detectable mutants were detected. */
export function tableOf({ files }: Judgement): string {
  const width = Math.max(...files.map(({ file }) => file.length), 0)
  return files
    .map(({ file, mutants, noticed, equivalent }) => {
      const score = `${((100 * noticed) / Math.max(mutants - equivalent, 1)).toFixed(1)} %`
      const counts = `${noticed} of ${mutants - equivalent} noticed, ${equivalent} equivalent`
      return `${file.padEnd(width)} ${score.padStart(8)}  ${counts}`
    })
    .join('\n')
}
