/**
 * How a path is shown: from the working directory, where it lies in that. The log works with absolute paths; people gave
 * a short one, and can use it as it is shown.
 */

/** A path as it is shown: absolute, or from the working directory. */
export function shownPath(path: string): string {
  const here = workingDirectory()
  return here !== null && new RegExp(`^${within(here)}`).test(path) ? path.slice(here.length + 1) : path
}

/** A text with every path in it as it is shown. A path begins the text, or stands behind a space, comma, quote or bracket. */
export function withShownPaths(text: string): string {
  const here = workingDirectory()
  // The working directory may also be an inner part of another path, which must stay as it is.
  return here === null ? text : text.replaceAll(new RegExp(`(?<=^|[\\s,"'\`([{<])${within(here)}`, 'g'), '')
}

/** Matches the working directory and the slash behind it, where a name follows. */
function within(here: string): string {
  return `${here.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`)}/(?=[^/\\s,"'\`)\\]}>])`
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
