/** Copies the golden logs to where readers expect a log: `{dataDir}/{topic}/{partition}`. */
import { copyFileSync, existsSync, mkdirSync, readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { NodeFileSystem } from '@sq/sim'
import { dumpSegment } from '@sq/storage'
import type { SegmentPart } from '@sq/storage'
import { ROOT } from './source-tree.ts'

const GOLDEN = join(ROOT, 'packages/sq-storage/golden')

/** A copy of a golden log. */
export interface CopiedLog {
  readonly dataDir: string
  readonly topic: string
  readonly partition: number
  /** The directory of the partition. */
  readonly directory: string
}

export function goldenNames(): string[] {
  const folders = readdirSync(GOLDEN, { withFileTypes: true }).filter((entry) => entry.isDirectory())
  return folders.map(({ name }) => name).toSorted()
}

/** The path of the file with what every reader must find in a golden log. */
export function readingPath(name: string): string {
  return join(GOLDEN, name, 'reading.json')
}

/** The paths of the segments of a golden log, in order. */
export function goldenSegments(name: string): string[] {
  const files = readdirSync(join(GOLDEN, name)).filter((file) => file.endsWith('.wal'))
  return files.toSorted().map((file) => join(GOLDEN, name, file))
}

/** The path of the log start of a golden log. Most have none. */
export function goldenLogStart(name: string): string {
  return join(GOLDEN, name, 'log-start')
}

/** Copies a golden log to its topic and partition in a separate directory below `root`. */
export async function copyGoldenLog(name: string, root: string): Promise<CopiedLog> {
  const segments = goldenSegments(name)
  const { topic, partition } = await partitionOf(segments[0] ?? '')
  const dataDir = join(root, name)
  const directory = join(dataDir, topic, String(partition))
  mkdirSync(directory, { recursive: true })
  const start = goldenLogStart(name)
  for (const path of existsSync(start) ? [...segments, start] : segments)
    copyFileSync(path, join(directory, basename(path)))
  return { dataDir, topic, partition, directory }
}

async function partitionOf(path: string): Promise<{ topic: string; partition: number }> {
  const [header, open] = await dump(path)
  if (header?.kind !== 'segment-header' || open?.kind !== 'open')
    throw new Error(`${path} does not begin with a segment header and OPEN`)
  return { topic: open.open.topic, partition: header.segment.partition }
}

/** Resolves with all parts of a segment file. */
export async function dump(path: string): Promise<SegmentPart[]> {
  const parts: SegmentPart[] = []
  for await (const part of dumpSegment(new NodeFileSystem(), path)) parts.push(part)
  return parts
}
