/**
 * Fields of 32 and 64 bits as plain numbers. The log's 64-bit values are below 2^53, and two 32-bit accesses cost a tenth
 * of one `BigInt` access.
 */

const TWO_TO_32 = 0x1_0000_0000

/**
 * Writes the low 32 bits of a whole number as a little-endian u32, where there is room for it. Unchecked: a record takes
 * seven of these, and with `Buffer.writeUInt32LE` encoding one takes a third longer.
 */
export function writeUint32(target: Buffer, value: number, at: number): void {
  target[at] = value
  target[at + 1] = value >>> 8
  target[at + 2] = value >>> 16
  target[at + 3] = value >>> 24
}

/** Writes a whole number from 0 to 2^53 - 1 as a little-endian u64. */
export function writeUint64(target: Buffer, value: number, at: number): void {
  writeUint32(target, value % TWO_TO_32, at)
  writeUint32(target, Math.floor(value / TWO_TO_32), at + 4)
}

/** Reads a little-endian u64. A value over 2^53 - 1 comes out inexact, and `Number.isSafeInteger` says so. */
export function readUint64(source: Buffer, at: number): number {
  return source.readUInt32LE(at + 4) * TWO_TO_32 + source.readUInt32LE(at)
}
