/**
 * Builds segment files with valid checksums and arbitrary values, like those of an attacker who can write the data
 * directory. It follows the documentation of the format, without the code under test.
 */
import { crc32 } from 'node:zlib'
import { FIELD, FRAME_HEADER_BYTES, OPEN_POSITION } from './frame-bytes.ts'

export const TYPE = { open: 1, records: 2, mark: 3, seal: 4 } as const
export const TOPIC = 't'

/** The fields of a frame. A field that is not given gets its correct value. */
export interface CraftedFields {
  readonly type: number
  readonly attributes?: number
  readonly bodyLength?: number
  readonly baseOffset?: bigint
  readonly recordCount?: number
  readonly position?: number
  readonly durablePosition?: number
  readonly previousCrc?: number
  readonly bodyCrc?: number
}

/** What OPEN states of the previous segment. */
export interface CraftedLink {
  readonly baseOffset: bigint
  readonly end: number
  readonly lastPosition: number
  readonly lastCrc: number
}

export class CraftedSegment {
  readonly baseOffset: bigint
  readonly #parts: Buffer[]
  readonly #salt: number
  #nextOffset: bigint
  #previousCrc: number
  #lastPosition = OPEN_POSITION
  /** The position of the next frame. */
  position: number

  constructor({ baseOffset = 0n, previous = null }: { baseOffset?: bigint; previous?: CraftedLink | null } = {}) {
    const header = Buffer.alloc(OPEN_POSITION)
    header.write('SQWL', 0, 'latin1')
    header.writeUInt16LE(1, 4)
    header.writeUInt16LE(TOPIC.length, 6)
    header.write(TOPIC, 8, 'latin1')
    const body = Buffer.alloc(38 + TOPIC.length)
    body.writeBigUInt64LE(baseOffset + 1n, 0)
    body.writeBigUInt64LE(previous?.baseOffset ?? 2n ** 64n - 1n, 16)
    body.writeUInt32LE(previous?.end ?? 0, 24)
    body.writeUInt32LE(previous?.lastPosition ?? 0, 28)
    body.writeUInt32LE(previous?.lastCrc ?? 0, 32)
    body.writeUInt16LE(TOPIC.length, 36)
    body.write(TOPIC, 38, 'latin1')
    const seed = crc32(header)
    const fields = { type: TYPE.open, baseOffset, position: OPEN_POSITION, durablePosition: 0, previousCrc: seed }
    const open = frameOf(fields, body, seed)
    this.#parts = [header, open.bytes]
    this.#salt = open.crc
    this.#previousCrc = open.crc
    this.#nextOffset = baseOffset
    this.baseOffset = baseOffset
    this.position = header.length + open.bytes.length
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#parts)
  }

  /** What a correct successor states. */
  get link(): CraftedLink {
    return {
      baseOffset: this.baseOffset,
      end: this.position,
      lastPosition: this.#lastPosition,
      lastCrc: this.#previousCrc,
    }
  }

  get nextOffset(): bigint {
    return this.#nextOffset
  }

  frame(given: CraftedFields, body: Buffer = Buffer.alloc(0)): this {
    const { position } = this
    const here = { baseOffset: this.#nextOffset, position, durablePosition: position, previousCrc: this.#previousCrc }
    const { bytes, crc } = frameOf({ ...here, ...given }, body, this.#salt)
    this.#parts.push(bytes)
    this.#nextOffset = BigInt.asUintN(64, (given.baseOffset ?? this.#nextOffset) + BigInt(given.recordCount ?? 0))
    this.#previousCrc = crc
    this.#lastPosition = position
    this.position += bytes.length
    return this
  }

  /** One commit of a number of empty records. */
  records(recordCount: number, fields: Partial<CraftedFields> = {}): this {
    return this.frame(
      { type: TYPE.records, recordCount, ...fields },
      Buffer.concat(Array.from({ length: recordCount }, () => recordOf())),
    )
  }

  seal(indexBytes: Buffer = Buffer.alloc(0), fields: Partial<CraftedFields> = {}): this {
    const end = Buffer.alloc(8)
    end.writeUInt32LE(this.position, 0)
    end.write('SQIX', 4, 'latin1')
    return this.frame({ type: TYPE.seal, ...fields }, Buffer.concat([Buffer.alloc(16), indexBytes, end]))
  }
}

/** A record with only a number of empty headers, or with hostile lengths. */
export function recordOf({
  headers = 0,
  ...lengths
}: { headers?: number; key?: number; value?: number; length?: number } = {}): Buffer {
  const record = Buffer.alloc(24 + 8 * headers)
  record.writeUInt32LE(lengths.length ?? record.length, 0)
  record.writeInt32LE(lengths.key ?? -1, 12)
  record.writeUInt32LE(lengths.value ?? 0, 16)
  record.writeUInt32LE(headers, 20)
  return record
}

function frameOf(
  fields: CraftedFields & Required<Pick<CraftedFields, 'baseOffset' | 'position' | 'durablePosition' | 'previousCrc'>>,
  body: Buffer,
  salt: number,
): { bytes: Buffer; crc: number } {
  const bytes = Buffer.alloc(FRAME_HEADER_BYTES + Math.ceil(body.length / 8) * 8)
  bytes.write('FR', 0, 'latin1')
  bytes[FIELD.type] = fields.type
  bytes[FIELD.attributes] = fields.attributes ?? 0
  bytes.writeUInt32LE(fields.bodyLength ?? body.length, FIELD.bodyLength)
  bytes.writeBigUInt64LE(fields.baseOffset, FIELD.baseOffset)
  bytes.writeUInt32LE(fields.recordCount ?? 0, FIELD.recordCount)
  bytes.writeUInt32LE(fields.position, FIELD.position)
  bytes.writeUInt32LE(fields.durablePosition, FIELD.durablePosition)
  bytes.writeUInt32LE(fields.previousCrc, FIELD.previousCrc)
  bytes.writeUInt32LE(fields.bodyCrc ?? crc32(body), FIELD.bodyCrc)
  const crc = crc32(bytes.subarray(0, FIELD.headerCrc), salt)
  bytes.writeUInt32LE(crc, FIELD.headerCrc)
  body.copy(bytes, FRAME_HEADER_BYTES)
  return { bytes, crc }
}
