/** The changelog that changesets write, as far as a rehearsal asks it something. */

/** The part about the newest version; empty where there is none. */
export function newestEntry(changelog: string): string {
  return /^## [^]*?(?=^## |(?![^]))/m.exec(changelog)?.[0].trim() ?? ''
}

/** Whether a changeset speaks in an entry. Where none does, the package only follows those that it depends on. */
export function hasOwnNews(entry: string): boolean {
  return /^- (?!Updated dependencies)/m.test(entry)
}
