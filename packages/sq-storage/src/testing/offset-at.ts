/** What most tests of the search by time ask: which offset it finds. */
import type { WalReader } from '../wal/reader.ts'

export async function offsetAt(reader: WalReader, timestampMs: number): Promise<bigint | null> {
  const found = await reader.offsetAt(timestampMs)
  return found === null ? null : found.offset
}
