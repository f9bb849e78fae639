/** How the demo's log is set up, for every process that opens it. */
import { NodeFileSystem, type FileSystem } from '@sq/sim'
import type { WalConfig } from '@sq/storage'

export const topic = 'demo'
export const partition = 0
export const fs: FileSystem = new NodeFileSystem()

/** Segments small enough that the flights fill several. */
export function logConfig(dataDir: string): WalConfig {
  return { dataDir, maxSegmentBytes: 4 * 1024 * 1024 }
}
