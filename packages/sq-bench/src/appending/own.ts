/** The log itself, and the disk without one. */
import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { NodeFileSystem } from '@sq/sim'
import { WalWriter } from '@sq/storage'
import type { Appender, OpenedContender } from './contender.ts'

export const OURS: readonly OpenedContender[] = [
  log('sq', { blocking: false }),
  log('sq, blocking', { blocking: true }),
]

function log(name: string, { blocking }: { blocking: boolean }): OpenedContender {
  return {
    name,
    kind: 'ours',
    blocks: blocking,
    gathers: 'itself',
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

/** So much is written before the measurement where writes go into a file that has its size: more than it will take. */
const PREALLOCATED_BYTES = 256 * 1024 * 1024

export const LIMITS: readonly OpenedContender[] = [
  limit('write + fdatasync', { blocks: true, open: async (directory) => blockingFile(join(directory, 'raw'), 0) }),
  limit('the same, preallocated', {
    blocks: true,
    open: async (directory) => blockingFile(join(directory, 'raw'), PREALLOCATED_BYTES),
  }),
  limit('promises: write + datasync', {
    blocks: false,
    open: async (directory) => promisedFile(join(directory, 'raw')),
  }),
]

function limit(name: string, { blocks, open: openIn }: Pick<OpenedContender, 'blocks' | 'open'>): OpenedContender {
  return { name, kind: 'limit', blocks, gathers: 'nobody', caveat: null, open: openIn }
}

function blockingFile(path: string, preallocatedBytes: number): Appender {
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
  return {
    append: async (value) => write(value),
    appendBatch: async (values) => write(Buffer.concat(values)),
    close: async () => fs.closeSync(file),
  }
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
