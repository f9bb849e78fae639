/**
 * How a path is shown: from the working directory, where it lies in that. The log works with absolute paths; people gave
 * a short one, and can use it as it is shown.
 */

/** A text with every path in it as it is shown. */
export function withShownPaths(text: string): string {
  const here = workingDirectory()
  return here === null ? text : text.replaceAll(`${here}/`, '')
}

/** Null where there is none, or where it is a part of every path. */
function workingDirectory(): string | null {
  try {
    const here = process.cwd()
    return here === '/' ? null : here
  } catch {
    return null
  }
}
