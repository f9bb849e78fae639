/** Splits a stream of bytes into items: call `split` for each chunk in order, then `end` once. */
export interface Splitter {
  /** The items that end in this chunk. They share its memory. Iterate to the end before the next call. */
  split(chunk: Buffer): Iterable<Buffer>
  /** The last item, if the end of the input completes it. Throws if the input cannot end here. */
  end(): Buffer[]
  /** The buffered bytes of an incomplete item. */
  readonly pendingBytes: number
}
