/** Group commit for a blocking store: all values of a turn of the event loop share one commit at its end. */
export function byTick(commit: (values: readonly Buffer[]) => void): (value: Buffer) => Promise<void> {
  let waiting: { value: Buffer; resolve: () => void }[] = []
  const commitTick = (): void => {
    const all = waiting
    waiting = []
    commit(all.map(({ value }) => value))
    for (const { resolve } of all) resolve()
  }
  return (value) =>
    new Promise((resolve) => {
      if (waiting.length === 0) setImmediate(commitTick)
      waiting.push({ value, resolve })
    })
}
