/**
 * Byte arrays from callers. Their length and memory are read through the getters that all typed arrays inherit, not
 * through properties of the array, which may run code of the caller.
 */
import { isSharedArrayBuffer } from 'node:util/types'

/** The current length of an array in bytes; 0 if its memory was transferred. Never runs code of the caller. */
export function bytesIn(array: Uint8Array): number {
  return byteLength.call(array)
}

/** Whether the memory of an array is gone, or has shrunk to before the beginning of the array. */
export function isDetached(array: Uint8Array): boolean {
  if (bytesIn(array) > 0) return false
  try {
    EMPTY.set(array)
    return false
  } catch {
    return true
  }
}

/**
 * The current bytes of an array as a view on the same memory. If that memory may be shared with another thread or
 * resized, a copy.
 */
export function heldBytes(array: Uint8Array): Buffer {
  const memory = buffer.call(array)
  if (!isSharedArrayBuffer(memory) && !('resizable' in memory && memory.resizable === true)) {
    return Buffer.from(memory, byteOffset.call(array), bytesIn(array))
  }
  const copy = Buffer.alloc(bytesIn(array))
  copy.set(array)
  return copy
}

const EMPTY = new Uint8Array(0)
const byteLength = getter('byteLength')
const byteOffset = getter('byteOffset')
const buffer = getter('buffer')

type Property = 'byteLength' | 'byteOffset' | 'buffer'

function getter<Name extends Property>(name: Name): () => Uint8Array[Name] {
  const typedArray: object | null = Object.getPrototypeOf(Uint8Array.prototype)
  const property: { readonly get?: () => Uint8Array[Name] } | undefined = Object.getOwnPropertyDescriptor(
    typedArray,
    name,
  )
  if (property?.get === undefined) throw new TypeError(`typed arrays have no ${name}`)
  return property.get
}
