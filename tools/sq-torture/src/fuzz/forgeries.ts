/** Mutations by an attacker: fields with absurd values and correct checksums. */
import type { Random } from '@sq/sim'
import { CraftedSegment, recordOf, TOPIC, TYPE } from './crafted-segment.ts'
import type { CraftedFields } from './crafted-segment.ts'
import {
  FIELD,
  FRAME_HEADER_BYTES,
  frameEnd,
  framePositions,
  OPEN_POSITION,
  relink,
  resealBody,
  resealChain,
  resealHeader,
} from './frame-bytes.ts'
import type { Files } from './good-logs.ts'
import { logStartBytes } from './log-start-bytes.ts'
import { pickFile, segmentFileName } from './mutations.ts'
import type { Material, Mutation } from './mutations.ts'

const HEADER_FIELDS = ['bodyLength', 'recordCount', 'position', 'durablePosition', 'previousCrc', 'bodyCrc'] as const

export const FORGERIES: Readonly<Record<string, Mutation>> = {
  'a forged field of a frame': (material) =>
    forge(material, (file, position) => {
      const { random } = material
      const field = random.pick(HEADER_FIELDS)
      file.writeUInt32LE(drawLength(random, file), position + FIELD[field])
    }),
  'a forged offset': (material) =>
    forge(material, (file, position) => {
      file.writeBigUInt64LE(drawOffset(material.random), position + FIELD.baseOffset)
    }),
  'a forged kind of frame': (material) =>
    forge(material, (file, position) => {
      const { random } = material
      if (random.chance(0.7)) file[position + FIELD.type] = random.int(7)
      else file[position + FIELD.attributes] = random.int(random.chance(0.5) ? 8 : 256)
    }),
  'a forged body': (material) =>
    forge(material, (file, position) => {
      const body = position + FRAME_HEADER_BYTES
      const words = Math.floor((frameEnd(file, position) - body) / 4)
      if (words === 0) return
      for (let forged = 1 + material.random.int(2); forged > 0; forged--) {
        // The first words of a body are lengths of other parts.
        const word = material.random.int(material.random.chance(0.7) ? Math.min(words, 10) : words)
        file.writeUInt32LE(drawLength(material.random, file), body + 4 * word)
      }
      resealBody(file, position)
    }),
  'a forged body length': (material) =>
    forge(material, (file, position) => {
      file.writeUInt32LE(drawLength(material.random, file), position + FIELD.bodyLength)
      resealBody(file, position)
    }),
  'a forged log start': ({ files, random }) => {
    files.set('log-start', logStartBytes(TOPIC, random.chance(0.7) ? BigInt(random.int(30)) : drawOffset(random)))
  },
  'a crafted segment': ({ files, random }) => {
    files.set(segmentFileName(0n), craft(random).bytes)
  },
  'a forged segment header': (material) =>
    forge(
      material,
      (file) => {
        file.writeUInt16LE(material.random.int(300), 4 + 2 * material.random.int(OPEN_POSITION / 2 - 2))
      },
      OPEN_POSITION,
    ),
  'a segment of a forged offset': (material) => {
    const [name, file] = pickFile(material)
    const positions = framePositions(file)
    if (positions[0] !== OPEN_POSITION) return
    const copy = Buffer.from(file)
    const baseOffset = drawOffset(material.random)
    // All frames move with it, so it is a valid log at distant offsets.
    const moved = baseOffset - copy.readBigUInt64LE(OPEN_POSITION + FIELD.baseOffset)
    for (const position of positions) {
      const offset = copy.readBigUInt64LE(position + FIELD.baseOffset)
      copy.writeBigUInt64LE(BigInt.asUintN(64, offset + moved), position + FIELD.baseOffset)
    }
    resealChain(copy, positions)
    material.files.delete(name)
    material.files.set(segmentFileName(baseOffset), copy)
  },
}

/** A segment of a few frames that all verify, some of which have hostile fields. */
function craft(random: Random): CraftedSegment {
  const segment = new CraftedSegment()
  for (let frames = 1 + random.int(8); frames > 0; frames--) {
    const fields: { -readonly [Field in keyof CraftedFields]: CraftedFields[Field] } = { type: 1 + random.int(4) }
    const records = fields.type === TYPE.records ? 1 + random.int(3) : 0
    for (let hostile = random.chance(0.5) ? 0 : 1 + random.int(2); hostile > 0; hostile--) {
      const field = random.pick(HEADER_FIELDS)
      if (field !== 'position' || random.chance(0.2)) fields[field] = drawLength(random, segment.bytes)
      if (random.chance(0.2)) fields.baseOffset = drawOffset(random)
    }
    if (records > 0 && random.chance(0.5)) fields.attributes = random.int(8)
    const body =
      records > 0
        ? craftBody(random, records, fields.attributes ?? 0)
        : Buffer.alloc(random.pick([0, 8, 24, 40, 16 * random.int(200)]))
    segment.frame({ recordCount: records, ...fields }, body)
  }
  return segment
}

/** A body with the parts that its attributes name, some of which are hostile. */
function craftBody(random: Random, records: number, attributes: number): Buffer {
  const parts: Buffer[] = []
  if ((attributes & 1) !== 0) {
    const metadata = Buffer.alloc(4 + 1 + random.int(20))
    const length = metadata.length - 4
    metadata.writeUInt32LE(random.chance(0.8) ? length : random.pick([0, length + 1, 65_537, 2 ** 32 - 1]), 0)
    parts.push(metadata)
  }
  if ((attributes & 2) === 0) {
    for (let left = records; left > 0; left--) parts.push(craftRecord(random))
    return Buffer.concat(parts)
  }
  const times = Buffer.alloc(random.chance(0.9) ? 16 + random.int(20) : random.int(16))
  if (times.length >= 16) {
    times.writeUInt32LE(random.int(3), 0)
    times.writeUInt32LE(random.int(3), 8)
    if (random.chance(0.1)) times.writeUInt32LE(2 ** 21, 12)
  }
  return Buffer.concat([...parts, times])
}

function craftRecord(random: Random): Buffer {
  if (random.chance(0.7)) return recordOf({ headers: random.int(3) })
  const field = random.pick(['key', 'value', 'length'] as const)
  const lengths = [0, 24, 2 ** 31 - 1, random.int(100)]
  // As the length of a value: no value.
  if (field === 'value') lengths.push(2 ** 32 - 1)
  return recordOf({ [field]: random.pick(lengths) })
}

/** Changes a frame of a file, and corrects its checksums and, at random, everything that refers to it. */
function forge(material: Material, change: (file: Buffer, position: number) => void, at?: number): void {
  const { files, random } = material
  const [name, file] = pickFile(material)
  const positions = framePositions(file)
  if (positions.length === 0) return
  const copy = Buffer.from(file)
  const position = at ?? random.pick(positions)
  change(copy, position)
  if (copy.length < position + FRAME_HEADER_BYTES) return
  resealHeader(copy, position)
  if (random.chance(0.6)) resealChain(copy, positions)
  files.set(name, copy)
  if (random.chance(0.6)) relinkAll(files)
}

/** Makes every segment state the current end of its predecessor. */
function relinkAll(files: Files): void {
  let before: Buffer | null = null
  for (const name of [...files.keys()].toSorted()) {
    const file = files.get(name)
    if (file === undefined || !name.endsWith('.wal')) continue
    const copy = Buffer.from(file)
    if (before !== null) relink(before, copy)
    files.set(name, copy)
    before = copy
  }
}

/** A length or position that is slightly wrong, or absurd. */
function drawLength(random: Random, file: Buffer): number {
  const close = Math.max(file.length + random.int(81) - 40, 0)
  const absurd = random.pick([0x7fff_ffff, 0x8000_0000, 0xffff_fff8, 0xffff_ffff, random.uint32()])
  return random.pick([random.int(64), close, random.int(file.length + 1), absurd])
}

function drawOffset(random: Random): bigint {
  const absurd = random.pick([2n ** 53n, 2n ** 64n - 1n, random.bigUint64()])
  return random.pick([BigInt(random.int(20)), 2n ** 53n - BigInt(random.int(10)), absurd])
}
