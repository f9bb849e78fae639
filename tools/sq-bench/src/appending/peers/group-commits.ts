/**
 * Group commit in front of a peer, as a careful user would add it: values that are appended while a commit is in flight
 * share the next one.
 */

interface Waiting {
  readonly value: Buffer
  readonly resolve: () => void
  readonly reject: (reason: unknown) => void
}

/**
 * Makes an append of single values from a commit of several values. There is one commit at a time. A failed commit
 * rejects the appends of its values.
 */
export function groupCommits(
  commit: (values: readonly Buffer[]) => Promise<unknown>,
): (value: Buffer) => Promise<void> {
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
      // Waits until all producers that were acknowledged together have appended their next value.
      process.nextTick(run)
    })
}
