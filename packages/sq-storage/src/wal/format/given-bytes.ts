/**
 * Arrays of bytes that callers give. They are asked by the getters of all typed arrays, and not by properties of their
 * own, which may be the caller's code.
 */
import { isSharedArrayBuffer } from 'node:util/types'

/** How many bytes an array has now. Never runs code of the caller; 0 where its memory was taken away from it. */
export function bytesIn(array: Uint8Array): number {
  return byteLength.call(array)
}

/** Whether the memory that an array was made on is there no longer, or not as far as the array begins. */
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
 * The bytes that an array has now, as a view on the same memory; as a copy, where that memory may be shared with
 * another thread or be given another length.
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
