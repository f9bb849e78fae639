/** Decides which packages a release publishes, and whether one lacks a changeset. */

/** The facts about a public package. */
export interface PendingRelease {
  readonly name: string
  readonly before: string
  /** The version that the changesets give it. */
  readonly after: string
  /** Whether a changeset names it. Without one its version can still change, since it follows its dependencies. */
  readonly named: boolean
  /** The files that differ from the release of `before`, as paths in the package. Undefined without a tag. */
  readonly changed: readonly string[] | undefined
  /** The files in its tarball. */
  readonly shipped: readonly string[]
}

export interface Verdict {
  readonly publishes: boolean
  /** What must be fixed before a release. */
  readonly fault?: string
  /** What could not be determined. */
  readonly note?: string
}

const NEVER_RELEASED = '0.0.0'

/** A package lacks a changeset if its published files have changed and no changeset names it. */
export function judge({ name, before, after, named, changed, shipped }: PendingRelease): Verdict {
  const publishes = after !== before
  if (named) return { publishes }
  if (before === NEVER_RELEASED) return { publishes, fault: `${name} was never released, and no changeset names it` }
  if (changed === undefined) {
    const note = `whether ${name} needs a changeset is not known: there is no tag ${name}@${before} here`
    return { publishes: true, note }
  }
  const isShipped = (path: string): boolean => shipped.includes(path) || shipped.includes(built(path))
  const noticed = changed.filter((path) => path !== 'CHANGELOG.md' && isShipped(path))
  if (noticed.length === 0) return { publishes }
  return { publishes, fault: `no changeset names ${name}, but since ${before} it changed in ${noticed.join(', ')}` }
}

/** The compiled file of a source. */
function built(path: string): string {
  return path.replace(/^src\//, 'dist/').replace(/\.ts$/, '.js')
}
