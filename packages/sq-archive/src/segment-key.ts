/** The keys of segments: the paths that they have in a data directory, below a prefix. */
import { checkKey } from './object-key.ts'

const NAME = /^\d{20}\.wal$/

/** Where the archive of one log is in a store. */
export interface LogPlace {
  readonly topic: string
  readonly partition: number
  /** Names that its keys begin with, without a slash at the end; none if empty, the default. */
  readonly prefix?: string
}

/** What the keys of a log begin with: `{prefix}/{topic}/{partition}/`. Throws an `ObjectStoreError` if it is no key. */
export function folderOf({ prefix = '', topic, partition }: LogPlace): string {
  const folder = `${prefix === '' ? '' : `${prefix}/`}${topic}/${partition}`
  checkKey(folder)
  return `${folder}/`
}

/** The key of a segment by its base offset. */
export function segmentKey(place: LogPlace, baseOffset: bigint): string {
  return folderOf(place) + segmentName(baseOffset)
}

/** The name of the file of a segment by its base offset. */
export function segmentName(baseOffset: bigint): string {
  return `${String(baseOffset).padStart(20, '0')}.wal`
}

/** The base offset in the key of a segment of a log; null for any other key. */
export function parseSegmentKey(place: LogPlace, key: string): bigint | null {
  const folder = folderOf(place)
  return key.startsWith(folder) ? offsetInName(key.slice(folder.length)) : null
}

/** The base offset in the name of a segment; null for any other name. */
export function offsetInName(name: string): bigint | null {
  return NAME.test(name) ? BigInt(name.slice(0, 20)) : null
}
