/** Byte arrays that are not what they seem, or that change. */

/** Ten bytes in memory that can be resized, up to forty bytes, and the function that resizes it. */
export interface Elastic {
  readonly bytes: Uint8Array
  /** Throws where the memory cannot have this length. */
  readonly resize: (length: number) => void
}

const ROOM = { maxByteLength: 40 }

/** A view that is always as long as its buffer. */
export function resizable(): Elastic {
  const buffer: ArrayBuffer = Reflect.construct(ArrayBuffer, [10, ROOM])
  const bytes = new Uint8Array(buffer).fill(0x72)
  return { bytes, resize: (length) => void call(buffer, 'resize', length) }
}

/** The same in memory that other threads may share, and that can only grow. */
export function growable(): Elastic {
  const buffer: SharedArrayBuffer = Reflect.construct(SharedArrayBuffer, [10, ROOM])
  const bytes = new Uint8Array(buffer).fill(0x67)
  return { bytes, resize: (length) => void call(buffer, 'grow', length) }
}

/** Ten bytes whose memory is transferred by any resize. */
export function detachable(): Elastic {
  const bytes = new Uint8Array(10).fill(0x64)
  return { bytes, resize: () => void structuredClone(bytes.buffer, { transfer: [bytes.buffer] }) }
}

function call(target: object, method: string, argument: number): unknown {
  return Reflect.apply(Reflect.get(target, method), target, [argument])
}

/** Ten bytes of `t` that report a different length at each read, and throw for everything else. */
export function lying(): Uint8Array {
  const bytes = new Uint8Array(10).fill(0x74)
  const lengths = [10, 30, 10]
  const lie = { get: () => lengths.shift() ?? 10 }
  const refuse = {
    get(): never {
      throw new Error('code of the caller has run')
    },
  }
  for (const property of ['length', 'byteLength']) Object.defineProperty(bytes, property, lie)
  for (const property of ['buffer', 'byteOffset', 'constructor', 'set', 'subarray', 'slice', 'copy']) {
    Object.defineProperty(bytes, property, refuse)
  }
  for (const property of [Symbol.iterator, Symbol.toStringTag]) Object.defineProperty(bytes, property, refuse)
  return bytes
}

/** Ten bytes of `s`, of a subclass that reports a length of 0. */
export class Short extends Uint8Array {
  static make(): Short {
    return new Short(10).fill(0x73)
  }

  override get length(): number {
    return 0
  }

  override get byteLength(): number {
    return 0
  }
}
