/** Types in CommonJS, where an import becomes a `require`. */
import { NodeFileSystem } from '@sq/sim'
import { WalReader } from '@sq/storage'

export function open(dataDir: string): Promise<WalReader> {
  return WalReader.open(new NodeFileSystem(), { dataDir }, 'orders', 0)
}
