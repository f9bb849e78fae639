/** The configuration of the demo's log, for every process that opens it. */
import { NodeFileSystem, type FileSystem } from '@sq/sim'
import type { WalConfig } from '@sq/storage'

export const topic = 'demo'
export const partition = 0
export const fs: FileSystem = new NodeFileSystem()

/** The segments are small, so that the flights fill several. */
export function logConfig(dataDir: string): WalConfig {
  return { dataDir, maxSegmentBytes: 4 * 1024 * 1024 }
}
