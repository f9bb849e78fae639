/** A file system that counts the bytes that are read through it. */
import type { FileSystem } from '@sq/sim'

export interface CountedReads {
  readonly fs: FileSystem
  /** Bytes read so far. */
  bytes(): number
}

export function countReads(fs: FileSystem): CountedReads {
  let count = 0
  const open: FileSystem['open'] = async (...args) => {
    const handle = await fs.open(...args)
    return replaceMethod(handle, 'read', async (...range) => {
      const read = await handle.read(...range)
      count += read
      return read
    })
  }
  return { fs: replaceMethod(fs, 'open', open), bytes: () => count }
}

/** An object with one method replaced, and all others as they are. */
function replaceMethod<T extends object, Name extends keyof T>(object: T, name: Name, method: T[Name]): T {
  return new Proxy(object, {
    get(target, property) {
      if (property === name) return method
      const member: unknown = Reflect.get(target, property, target)
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
}
