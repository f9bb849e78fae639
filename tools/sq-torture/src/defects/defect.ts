/** A seeded defect: one small change of one source file that the checks of this project must notice. */

export interface Defect {
  readonly name: string
  /** The file, from the folder of the packages. */
  readonly file: string
  /** What the file says today, exactly once. */
  readonly find: string
  /** What it says instead; nothing where a promise is simply not kept. */
  readonly replace: string
}

/** The source with the defect in it. Throws where it has changed so that the defect no longer says where it goes. */
export function withDefect(source: string, { name, file, find, replace }: Defect): string {
  const places = source.split(find).length - 1
  if (places !== 1) {
    throw new Error(`the defect "${name}" looks for a text in ${file} that stands there ${places} times, not once`)
  }
  return source.replace(find, () => replace)
}
