/** The golden logs of the format, brought to where readers expect a log: `{dataDir}/{topic}/{partition}`. */
import { copyFileSync, mkdirSync, readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { NodeFileSystem } from '@sq/sim'
import { dumpSegment } from '@sq/storage'
import type { SegmentPart } from '@sq/storage'
import { ROOT } from './source-tree.ts'

const GOLDEN = join(ROOT, 'packages/sq-storage/golden')

/** A log on a real disk. */
export interface PlacedLog {
  readonly dataDir: string
  readonly topic: string
  readonly partition: number
  /** The partition's directory. */
  readonly directory: string
}

export function goldenNames(): string[] {
  const folders = readdirSync(GOLDEN, { withFileTypes: true }).filter((entry) => entry.isDirectory())
  return folders.map(({ name }) => name).toSorted()
}

/** Where it is kept what every reader must find in a golden log. */
export function readingPath(name: string): string {
  return join(GOLDEN, name, 'reading.json')
}

/** The paths of a golden log's segments, in order. */
export function goldenSegments(name: string): string[] {
  const files = readdirSync(join(GOLDEN, name)).filter((file) => file.endsWith('.wal'))
  return files.toSorted().map((file) => join(GOLDEN, name, file))
}

/** Copies a golden log to its topic and partition in a directory of its own below `root`. */
export async function place(name: string, root: string): Promise<PlacedLog> {
  const segments = goldenSegments(name)
  const { topic, partition } = await whoseSegment(segments[0] ?? '')
  const dataDir = join(root, name)
  const directory = join(dataDir, topic, String(partition))
  mkdirSync(directory, { recursive: true })
  for (const path of segments) copyFileSync(path, join(directory, basename(path)))
  return { dataDir, topic, partition, directory }
}

async function whoseSegment(path: string): Promise<{ topic: string; partition: number }> {
  const [header, open] = await dump(path)
  if (header?.kind !== 'segment-header' || open?.kind !== 'open') throw new Error(`${path} has no head`)
  return { topic: open.open.topic, partition: header.segment.partition }
}

/** Every part of a segment file. */
export async function dump(path: string): Promise<SegmentPart[]> {
  const parts: SegmentPart[] = []
  for await (const part of dumpSegment(new NodeFileSystem(), path)) parts.push(part)
  return parts
}
