/** Reads a whole log of numbered records as a list of serial numbers. */
import { NodeFileSystem } from '@sq/sim'
import { LogNotFoundError, WalReader } from '@sq/storage'
import { Violation } from '../history.ts'
import { PARTITION, TOPIC } from '../log/log-under-test.ts'
import { serialOf } from './numbered-record.ts'

/** The serial numbers by offset. None if there is no log. Throws a `Violation` for a gap or an unknown record. */
export async function readSerials(dataDir: string): Promise<number[]> {
  const serials: number[] = []
  try {
    const reader = await WalReader.open(new NodeFileSystem(), { dataDir }, TOPIC, PARTITION)
    for await (const record of reader.read()) {
      if (record.offset !== BigInt(serials.length)) {
        throw new Violation(`2: offset ${record.offset} follows ${serials.length - 1}`)
      }
      serials.push(serialOf(record))
    }
  } catch (error) {
    if (!(error instanceof LogNotFoundError)) throw error
  }
  return serials
}
