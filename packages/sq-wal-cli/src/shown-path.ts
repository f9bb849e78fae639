/**
 * Shows a path inside the working directory relative to it. The log works with absolute paths, but people type relative
 * ones, and can reuse what is shown.
 */

/** Paths that do not exist, and what is shown for them. */
const replaced = new Map<string, string>()

/** Shows one path, and those in it, as another: the log looks for files of a relocated log where they are not. */
export function showPathAs(path: string, shown: string): void {
  replaced.set(path, shown)
}

function withExistingPaths(text: string): string {
  let found = text
  for (const [path, shown] of replaced) found = found.replaceAll(path, shown)
  return found
}

/** A path as it is shown: relative if it is inside the working directory, else absolute. */
export function shownPath(given: string): string {
  const path = withExistingPaths(given)
  const here = workingDirectory()
  return here !== null && new RegExp(`^${within(here)}`).test(path) ? path.slice(here.length + 1) : path
}

/** A text with its paths as they are shown. A path is at the start, or after a space, comma, quote or bracket. */
export function withShownPaths(given: string): string {
  const text = withExistingPaths(given)
  const here = workingDirectory()
  // The working directory can also occur inside another path, which must not change.
  return here === null ? text : text.replaceAll(new RegExp(`(?<=^|[\\s,"'\`([{<])${within(here)}`, 'g'), '')
}

/** Matches the working directory and the slash after it, if a name follows. */
function within(here: string): string {
  return `${here.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`)}/(?=[^/\\s,"'\`)\\]}>])`
}

/** Null if there is none, or if it is the root directory. */
function workingDirectory(): string | null {
  try {
    const here = process.cwd()
    return here === '/' ? null : here
  } catch {
    return null
  }
}
