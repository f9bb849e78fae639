/** Makes logs to be read. */
import { NodeFileSystem } from '@sq/sim'
import { WalReader, WalWriter } from '@sq/storage'
import type { WalConfig } from '@sq/storage'

export const TOPIC = 'bench'
export const PARTITION = 0
export const fs: NodeFileSystem = new NodeFileSystem()

/** What a log is filled with. */
export interface Filling {
  readonly valueBytes: number
  readonly totalBytes: number
  /** How many records are appended at a time: they share a commit, if they take no more than 8 MiB. */
  readonly burst: number
}

export function openWriter(config: WalConfig): Promise<WalWriter> {
  return WalWriter.open(fs, config, TOPIC, PARTITION)
}

export function openReader(config: WalConfig): Promise<WalReader> {
  return WalReader.open(fs, config, TOPIC, PARTITION)
}

/** Appends records with values of one length, timestamps counting up from 0, until there are so many bytes. */
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

/** A closed log with so much in it; resolves with how many records it holds. */
export async function makeLog(config: WalConfig, filling: Filling): Promise<number> {
  const writer = await openWriter(config)
  const records = await fill(writer, filling)
  await writer.close()
  return records
}
