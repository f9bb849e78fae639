/** How long an array of bytes is: asked of the array itself, and not of its properties, which may be the caller's code. */

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

const EMPTY = new Uint8Array(0)
const byteLength = byteLengthGetter()

function byteLengthGetter(): () => number {
  const typedArray: object | null = Object.getPrototypeOf(Uint8Array.prototype)
  const property: { readonly get?: () => number } | undefined = Object.getOwnPropertyDescriptor(typedArray, 'byteLength')
  if (property?.get === undefined) throw new TypeError('typed arrays have no byteLength')
  return property.get
}
