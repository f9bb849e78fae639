/** What is to be said of mutants: the score of each file, and the survivors that nobody has explained. */
import type { Mutant } from './stryker.ts'

/** A mutant that no test can notice, and why; or that none should. */
export interface Equivalent {
  /** The file's path in the log's sources. */
  readonly file: string
  /** What the source says, and what it says instead, word for word. */
  readonly original: string
  readonly replacement: string
  readonly why: string
}

export interface Judgement {
  readonly files: readonly FileScore[]
  /** Survivors that no entry explains. */
  readonly unexplained: readonly Mutant[]
}

interface FileScore {
  readonly file: string
  readonly mutants: number
  readonly noticed: number
  /** Survivors that an entry explains. */
  readonly equivalent: number
}

export function judge(mutants: readonly Mutant[], equivalent: readonly Equivalent[]): Judgement {
  const isExplained = (mutant: Mutant): boolean =>
    equivalent.some(
      ({ file, original, replacement }) =>
        mutant.file.endsWith(`/wal/${file}`) && mutant.original === original && mutant.replacement === replacement,
    )
  const survivors = mutants.filter(({ survived }) => survived)
  const files = [...new Set(mutants.map(({ file }) => file))].map((file) => {
    const ofFile = mutants.filter((mutant) => mutant.file === file)
    const left = survivors.filter((mutant) => mutant.file === file)
    return {
      file,
      mutants: ofFile.length,
      noticed: ofFile.length - left.length,
      equivalent: left.filter(isExplained).length,
    }
  })
  return { files, unexplained: survivors.filter((mutant) => !isExplained(mutant)) }
}

/** One line a file: how many of its mutants that can be noticed are. */
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
