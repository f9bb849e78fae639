/** Copies a log to another data directory, also under another name. */
import { resolve } from 'node:path'
import { NodeFileSystem } from '@sq/sim'
import { copyLog, WalReader } from '@sq/storage'
import type { RecordBatch } from '@sq/storage'
import type { ArchivedLogName } from '../log-name.ts'
import type { LocatedLog } from '../log-source.ts'
import { counted, formatBytes, printLine, writeJson } from '../output.ts'
import { shownPath } from '../shown-path.ts'
import { makeLog } from './new-log.ts'

export interface CpOptions {
  /** The name of the copy; that of the log if not given. */
  readonly as?: ArchivedLogName
  readonly json?: boolean
}

/** The batches of this size share a write. */
const WRITE_BYTES = 4 * 1024 * 1024

interface Copy {
  readonly firstOffset: bigint
  readonly nextOffset: bigint
  readonly segments: number
  readonly bytes: number
}

/** Rejects, and leaves nothing behind, if the copy exists already, or if the log is damaged. */
export async function cp(log: LocatedLog, directory: string, { as = log, json = false }: CpOptions): Promise<void> {
  const isSameName = as.topic === log.topic && as.partition === log.partition
  const copy = await (isSameName ? copyFiles(log, directory) : copyBatches(log, directory, as))
  if (json) return writeJson({ topic: as.topic, partition: as.partition, ...copy })
  const { firstOffset, nextOffset, segments, bytes } = copy
  const offsets = firstOffset === nextOffset ? `next offset ${nextOffset}` : `offsets ${firstOffset}-${nextOffset - 1n}`
  const size = `${counted(segments, 'segment')}, ${formatBytes(bytes)}`
  return printLine(`${shownPath(resolve(directory, as.topic, String(as.partition)))}: ${offsets}, ${size}; verified`)
}

async function copyFiles({ fs, config, topic, partition }: LocatedLog, directory: string): Promise<Copy> {
  const target = { fs: new NodeFileSystem(), config: { dataDir: directory } }
  const copied = await copyLog({ fs, config }, target, topic, partition)
  return {
    firstOffset: copied.logStartOffset,
    nextOffset: copied.logEndOffset,
    segments: copied.segments,
    bytes: copied.bytes,
  }
}

/** Segments state the name of their log, so they are written again, with the same batches at the same offsets. */
async function copyBatches(
  { fs, config, topic, partition }: LocatedLog,
  directory: string,
  as: ArchivedLogName,
): Promise<Copy> {
  const reader = await WalReader.open(fs, config, topic, partition)
  const { logStartOffset: from, logEndOffset: to } = await reader.bounds()
  const target = { config: { dataDir: directory }, ...as }
  const {
    firstOffset,
    nextOffset,
    segments,
    bytes: size,
  } = await makeLog(target, from, async (writer, signal) => {
    let batches: RecordBatch[] = []
    let bytes = 0
    const append = async (): Promise<void> => {
      if (batches.length > 0) await writer.appendEncoded(batches)
      batches = []
      bytes = 0
    }
    if (from === to) return
    for await (const batch of reader.readBatches({ from, to, exact: true, signal })) {
      batches.push(batch)
      bytes += batch.bytes.length
      if (bytes >= WRITE_BYTES) await append()
    }
    await append()
  })
  return { firstOffset, nextOffset, segments, bytes: size }
}
