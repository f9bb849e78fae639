/** Opens a writer on a log of 1,000 sealed segments: how long it takes, and how much it reads. */
import type { FileHandle, FileSystem, OpenMode } from '@sq/sim'
import { WalWriter } from '@sq/storage'
import { fs, openWriter, PARTITION, TOPIC } from './filled-log.ts'
import { median, print, rounds } from './measure.ts'

const SEGMENTS = 1000

export async function opening(directory: string): Promise<void> {
  const config = { dataDir: directory }
  const made = await openWriter(config)
  const value = Buffer.alloc(100_000)
  for (let segment = 0; segment < SEGMENTS; segment++) {
    await made.append(null, value, [], segment)
    await made.closeActiveSegment()
  }
  await made.close()
  let bytesRead = 0
  const counting = counted((bytes) => {
    bytesRead += bytes
  })
  const times = await rounds(async () => {
    bytesRead = 0
    const writer = await WalWriter.open(counting, config, TOPIC, PARTITION)
    await writer.close()
  })
  print(`a writer on ${SEGMENTS} sealed segments: ${median(times).toFixed(0)} ms, ${bytesRead} bytes read`)
}

/** The file system, telling of the bytes that are read. */
function counted(onRead: (bytes: number) => void): FileSystem {
  return new Proxy(fs, {
    get(target, name) {
      if (name === 'open') {
        return async (path: string, mode: OpenMode) => countedHandle(await target.open(path, mode), onRead)
      }
      const member: unknown = Reflect.get(target, name)
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
}

function countedHandle(handle: FileHandle, onRead: (bytes: number) => void): FileHandle {
  return {
    async read(buffer, position) {
      const bytes = await handle.read(buffer, position)
      onRead(bytes)
      return bytes
    },
    write: (buffers, position) => handle.write(buffers, position),
    writeDurable: (buffers, position) => handle.writeDurable(buffers, position),
    sync: () => handle.sync(),
    truncate: (sizeBytes) => handle.truncate(sizeBytes),
    size: () => handle.size(),
    close: () => handle.close(),
  }
}
