/** The log itself, and plain files as the limit of what the disk can do. */
import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { NodeFileSystem } from '@sq/sim'
import { WalWriter } from '@sq/storage'
import type { Appender, OpenedContender } from './contender.ts'
import { byTick } from './peers/by-tick.ts'

export const OURS: readonly OpenedContender[] = [
  log('sq', { blocking: false }),
  log('sq, blocking', { blocking: true }),
]

function log(name: string, { blocking }: { blocking: boolean }): OpenedContender {
  return {
    name,
    kind: 'ours',
    blocks: blocking,
    groupCommit: 'own',
    caveat: null,
    async open(dataDir) {
      const writer = await WalWriter.open(new NodeFileSystem({ blocking }), { dataDir }, 'bench', 0)
      return {
        append: (value) => writer.append(null, value, [], 0),
        appendBatch: (values) =>
          writer.appendBatch(values.map((value) => ({ key: null, value, headers: [], timestampMs: 0 }))),
        close: () => writer.close(),
      }
    },
  }
}

/** The size of a preallocated file. Writes wrap around at its end. */
const PREALLOCATED_BYTES = 256 * 1024 * 1024

export const LIMITS: readonly OpenedContender[] = [
  writing('write + fdatasync', { preallocatedBytes: 0, isByTick: false }),
  writing('write + fdatasync, preallocated', { preallocatedBytes: PREALLOCATED_BYTES, isByTick: false }),
  {
    name: 'fs.promises: write + datasync',
    kind: 'limit',
    blocks: false,
    groupCommit: 'none',
    caveat: null,
    open: async (directory) => promisedFile(join(directory, 'raw')),
  },
]

/** Plain files for several producers: the values of one turn of the event loop are written together. */
export const TICK_LIMITS: readonly OpenedContender[] = [
  writing('write + fdatasync per tick', { preallocatedBytes: 0, isByTick: true }),
  writing('write + fdatasync per tick, preallocated', { preallocatedBytes: PREALLOCATED_BYTES, isByTick: true }),
]

interface Writing {
  readonly preallocatedBytes: number
  readonly isByTick: boolean
}

function writing(name: string, { preallocatedBytes, isByTick }: Writing): OpenedContender {
  return {
    name,
    kind: 'limit',
    blocks: true,
    groupCommit: isByTick ? 'added' : 'none',
    caveat: null,
    async open(directory) {
      const { write, close } = blockingFile(join(directory, 'raw'), preallocatedBytes)
      const writeAll = (values: readonly Buffer[]): void => write(Buffer.concat(values))
      return {
        append: isByTick ? byTick(writeAll) : async (value) => write(value),
        appendBatch: async (values) => writeAll(values),
        close: async () => close(),
      }
    },
  }
}

function blockingFile(path: string, preallocatedBytes: number): { write: (bytes: Buffer) => void; close: () => void } {
  const file = fs.openSync(path, 'wx')
  const filling = randomBytes(1024 * 1024)
  for (let at = 0; at < preallocatedBytes; at += filling.length) fs.writeSync(file, filling, 0, filling.length, at)
  fs.fsyncSync(file)
  let position = 0
  const write = (bytes: Buffer): void => {
    if (preallocatedBytes > 0 && position + bytes.length > preallocatedBytes) position = 0
    fs.writeSync(file, bytes, 0, bytes.length, position)
    fs.fdatasyncSync(file)
    position += bytes.length
  }
  return { write, close: () => fs.closeSync(file) }
}

async function promisedFile(path: string): Promise<Appender> {
  const file = await open(path, 'wx')
  let position = 0
  const write = async (bytes: Buffer): Promise<void> => {
    const at = position
    position += bytes.length
    await file.write(bytes, 0, bytes.length, at)
    await file.datasync()
  }
  return {
    append: write,
    appendBatch: (values) => write(Buffer.concat(values)),
    close: () => file.close(),
  }
}
