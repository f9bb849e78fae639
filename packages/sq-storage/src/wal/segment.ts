/**
 * A segment file: its name, and the 32 bytes it begins with. What follows are frames (`frame.ts`), the first of them
 * always OPEN (`open-frame.ts`).
 *
 * ```
 *  0        4         6           8                        28          32
 *  +--------+---------+-----------+------------------------+-----------+
 *  | "SQWL" | version | topic_len | topic, 20 bytes, zeros | partition |
 *  |        |   u16   |    u16    |  after a shorter one   |    u32    |
 *  +--------+---------+-----------+------------------------+-----------+
 * ```
 *
 * `topic_len` is the topic's whole length in bytes; a topic longer than 20 bytes is cut here and stands whole in OPEN.
 */

export const SEGMENT_HEADER_BYTES = 32
export const FORMAT_VERSION = 1
/** The name a segment has while it is being made. */
export const UNFINISHED_NAME = 'next.tmp'
/** The file whose lock a writer holds. */
export const LOCK_NAME = 'lock'

const MAGIC = 'SQWL'
const AT = { magic: 0, version: 4, topicLength: 6, topic: 8, partition: 28 } as const
const TOPIC_BYTES = AT.partition - AT.topic

export interface SegmentHeader {
  readonly version: number
  /** Length of the whole topic in bytes. */
  readonly topicLength: number
  /** The topic's first 20 bytes. */
  readonly topicStart: string
  readonly partition: number
}

/** The file name of a segment: its base offset as 20 decimal digits, so that a listing sorts. */
export function segmentName(baseOffset: number): string {
  return `${String(baseOffset).padStart(20, '0')}.wal`
}

/** The base offset in a segment's file name, or null for the name of anything else. */
export function parseSegmentName(name: string): number | null {
  return /^\d{20}\.wal$/.test(name) ? Number(name.slice(0, 20)) : null
}

/** The name of a segment file that the n-th repair of its segment took out of the log. */
export function keptName(baseOffset: number, nth: number): string {
  return `${segmentName(baseOffset)}.kept-${nth}`
}

/** Whether `keptName` made a name. */
export function isKeptName(name: string): boolean {
  return /^\d{20}\.wal\.kept-\d+$/.test(name)
}

export function encodeSegmentHeader({ topic, partition }: { topic: string; partition: number }): Buffer {
  const header = Buffer.alloc(SEGMENT_HEADER_BYTES)
  header.write(MAGIC, AT.magic, 'latin1')
  header.writeUInt16LE(FORMAT_VERSION, AT.version)
  header.writeUInt16LE(topic.length, AT.topicLength)
  header.write(topic, AT.topic, TOPIC_BYTES, 'latin1')
  header.writeUInt32LE(partition, AT.partition)
  return header
}

/** Reads a segment header, or null if the bytes do not begin with one. The version is not judged here. */
export function decodeSegmentHeader(source: Buffer): SegmentHeader | null {
  if (source.length < SEGMENT_HEADER_BYTES || source.toString('latin1', 0, AT.version) !== MAGIC) return null
  const topicLength = source.readUInt16LE(AT.topicLength)
  return {
    version: source.readUInt16LE(AT.version),
    topicLength,
    topicStart: source.toString('latin1', AT.topic, AT.topic + Math.min(topicLength, TOPIC_BYTES)),
    partition: source.readUInt32LE(AT.partition),
  }
}
