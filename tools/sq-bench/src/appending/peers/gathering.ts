/**
 * Lets producers share a peer's commits, as a careful user of it would: while one is under way the values that come are
 * gathered for the next.
 */

interface Waiting {
  readonly value: Buffer
  readonly resolve: () => void
  readonly reject: (reason: unknown) => void
}

/** Makes of what commits several values at once what appends one. `commit` is never called while it is under way. */
export function gathering(commit: (values: readonly Buffer[]) => Promise<unknown>): (value: Buffer) => Promise<void> {
  let waiting: Waiting[] = []
  let busy = false
  const run = async (): Promise<void> => {
    while (waiting.length > 0) {
      const these = waiting
      waiting = []
      try {
        await commit(these.map(({ value }) => value))
        for (const { resolve } of these) resolve()
      } catch (error) {
        for (const { reject } of these) reject(error)
      }
    }
    busy = false
  }
  return (value) =>
    new Promise((resolve, reject) => {
      waiting.push({ value, resolve, reject })
      if (busy) return
      busy = true
      // Not before all who were acknowledged together have come with their next value.
      process.nextTick(run)
    })
}
