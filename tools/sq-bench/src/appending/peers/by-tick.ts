/** Lets producers share the commits of what blocks: all values of a turn of the event loop share one at its end. */
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
