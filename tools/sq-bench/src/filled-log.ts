/** Writes logs for the parts that read them. */
import { NodeFileSystem } from '@sq/sim'
import { WalReader, WalWriter } from '@sq/storage'
import type { WalConfig } from '@sq/storage'

export const TOPIC = 'bench'
export const PARTITION = 0
export const fs: NodeFileSystem = new NodeFileSystem()

/** What a log is filled with: `totalBytes` of values, each of `valueBytes`. */
export interface Filling {
  readonly valueBytes: number
  readonly totalBytes: number
  /** How many records are appended at the same time. Up to 8 MiB of them share a commit. */
  readonly burst: number
}

export function openWriter(config: WalConfig): Promise<WalWriter> {
  return WalWriter.open(fs, config, TOPIC, PARTITION)
}

export function openReader(config: WalConfig): Promise<WalReader> {
  return WalReader.open(fs, config, TOPIC, PARTITION)
}

/** Appends records with timestamps 0, 1, 2 and so on. Resolves with their number. */
async function fill(writer: WalWriter, { valueBytes, totalBytes, burst }: Filling): Promise<number> {
  const value = Buffer.alloc(valueBytes, 'value ')
  const records = Math.ceil(totalBytes / valueBytes)
  for (let done = 0; done < records; done += burst) {
    const appended = Array.from({ length: Math.min(burst, records - done) }, (_, i) =>
      writer.append(null, value, [], done + i),
    )
    await Promise.all(appended)
  }
  return records
}

/** Writes a log and closes its writer. Resolves with the number of records. */
export async function makeLog(config: WalConfig, filling: Filling): Promise<number> {
  const writer = await openWriter(config)
  const records = await fill(writer, filling)
  await writer.close()
  return records
}
