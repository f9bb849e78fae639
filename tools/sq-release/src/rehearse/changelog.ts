/** Reads the changelog that changesets write. */

/** The entry of the newest version. Empty if there is none. */
export function newestEntry(changelog: string): string {
  return /^## [^]*?(?=^## |(?![^]))/m.exec(changelog)?.[0].trim() ?? ''
}

/** Whether an entry is from a changeset. Otherwise the package only follows its dependencies. */
export function hasOwnNews(entry: string): boolean {
  return /^- (?!Updated dependencies)/m.test(entry)
}
