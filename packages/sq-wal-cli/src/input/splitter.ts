/** What cuts a stream of bytes into items: `split` for each chunk in turn, then `end` once. */
export interface Splitter {
  /** The items that end in this chunk. They share its memory. To be iterated to the end before the next call. */
  split(chunk: Buffer): Iterable<Buffer>
  /** The last item, if the input's end is what ends it. Throws if the input cannot end here. */
  end(): Buffer[]
  /** Bytes kept of an item that has not ended yet. */
  readonly pendingBytes: number
}
