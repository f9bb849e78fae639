/** Ranges of objects, and reading many at the same time. */

/** How objects are read whole without a log: in ranges of this size, so many at the same time. */
export const RAW_RANGE_BYTES: number = 1024 * 1024
export const RAW_AT_ONCE = 8

export interface Range {
  readonly key: string
  readonly position: number
  readonly bytes: number
}

/** Divides objects into ranges of this many bytes; the last one of each may be shorter. */
export function rangesOf(
  objects: readonly { readonly key: string; readonly bytes: number }[],
  rangeBytes: number,
): Range[] {
  return objects.flatMap(({ key, bytes }) =>
    Array.from({ length: Math.ceil(bytes / rangeBytes) }, (_, index) => {
      const position = index * rangeBytes
      return { key, position, bytes: Math.min(rangeBytes, bytes - position) }
    }),
  )
}

/** Runs an action for each range, so many at the same time. Each of these has a buffer of its own. */
export async function forEachRange(
  ranges: readonly Range[],
  atOnce: number,
  action: (range: Range, buffer: Buffer) => Promise<unknown>,
): Promise<void> {
  const rest = ranges.values()
  const work = async (): Promise<void> => {
    let buffer = Buffer.alloc(0)
    for (const range of rest) {
      if (buffer.length < range.bytes) buffer = Buffer.allocUnsafeSlow(range.bytes)
      await action(range, buffer.subarray(0, range.bytes))
    }
  }
  await Promise.all(Array.from({ length: atOnce }, work))
}
