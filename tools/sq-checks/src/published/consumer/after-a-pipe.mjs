// Requires a file and looks at its standard input before it takes the first lock.
import { fstatSync } from 'node:fs'
import { createRequire } from 'node:module'
import { NodeFileSystem } from '@sq/sim'
import { WalWriter } from '@sq/storage'

createRequire(import.meta.url)('./package.json')
if (!fstatSync(0).isFIFO()) throw new Error('standard input is not a pipe')

const writer = await WalWriter.open(new NodeFileSystem(), { dataDir: 'data' }, 'orders', 1)
console.log(`opened at ${writer.nextOffset}`)
await writer.close()
