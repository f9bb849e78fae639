/** A seeded defect: a small change of one source file that the checks of this project must detect. */

export interface Defect {
  readonly name: string
  /** The path of the file, from the `packages` folder. */
  readonly file: string
  /** A text that is in the file exactly once. */
  readonly find: string
  /** The text that replaces it. Empty if the defect only removes code. */
  readonly replace: string
}

/** The source with the defect. Throws unless the source has the text of the defect exactly once. */
export function withDefect(source: string, { name, file, find, replace }: Defect): string {
  const places = source.split(find).length - 1
  if (places !== 1) {
    throw new Error(`cannot seed the defect "${name}": its text is expected once in ${file}, found ${places} times`)
  }
  return source.replace(find, () => replace)
}
