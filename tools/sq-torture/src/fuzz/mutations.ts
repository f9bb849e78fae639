/** Accidental mutations of the files of a log: bit rot, truncation, copies, lost and confused files. */
import type { Random } from '@sq/sim'
import { frameEnd, framePositions } from './frame-bytes.ts'
import type { Files } from './good-logs.ts'
import type { FileKind } from './watched-file-system.ts'

/** The files of a log, which are changed, and those of other logs, from which pieces are taken. */
export interface Material {
  readonly files: Files
  /** The sizes of files that are longer than their bytes, and the names that are not regular files. */
  readonly sizes: Map<string, number>
  readonly kinds: Map<string, FileKind>
  readonly others: readonly Files[]
  readonly random: Random
}

/** Changes the files. There is at least one. */
export type Mutation = (material: Material) => void

const SEGMENT_NAME_DIGITS = 20

export const MUTATIONS: Readonly<Record<string, Mutation>> = {
  'bits flipped': (material) => {
    const [name, file] = pickFile(material)
    const copy = Buffer.from(file)
    for (let flips = 1 + material.random.int(3); flips > 0 && copy.length > 0; flips--) {
      const at = material.random.int(copy.length)
      copy[at] = (copy[at] ?? 0) ^ (1 << material.random.int(8))
    }
    material.files.set(name, copy)
  },
  'bytes overwritten': (material) => {
    const [name, file] = pickFile(material)
    const copy = Buffer.from(file)
    const [from, to] = pickRange(material.random, copy)
    copy.set(noise(material.random, to - from), from)
    material.files.set(name, copy)
  },
  'all bytes random': (material) => {
    const [name] = pickFile(material)
    material.files.set(name, Buffer.from(material.random.bytes(material.random.int(2000))))
  },
  'cut short': (material) => {
    const [name, file] = pickFile(material)
    material.files.set(name, file.subarray(0, pickPlace(material.random, file)))
  },
  'made empty': (material) => {
    const [name] = pickFile(material)
    material.files.set(name, Buffer.alloc(0))
  },
  'made longer': (material) => {
    const [name, file] = pickFile(material)
    material.files.set(name, Buffer.concat([file, noise(material.random, material.random.int(6000))]))
  },
  'a piece of the log moved to another position': (material) => {
    put(material, pickPiece(material.random, pickFile(material)[1]))
  },
  'a piece of another log put in': (material) => {
    put(material, pickPiece(material.random, pickForeign(material)[1]))
  },
  'a piece taken out': (material) => {
    const [name, file] = pickFile(material)
    const [from, to] = pickRange(material.random, file)
    material.files.set(name, Buffer.concat([file.subarray(0, from), file.subarray(to)]))
  },
  'a frame doubled': (material) => {
    const [name, file] = pickFile(material)
    const positions = framePositions(file)
    if (positions.length === 0) return
    const from = material.random.pick(positions)
    const at = material.random.chance(0.5) ? frameEnd(file, from) : material.random.pick([...positions, file.length])
    const frame = file.subarray(from, frameEnd(file, from))
    material.files.set(name, Buffer.concat([file.subarray(0, at), frame, file.subarray(at)]))
  },
  'a frame over another': (material) => {
    const [name, file] = pickFile(material)
    const positions = framePositions(file)
    if (positions.length === 0) return
    const [from, to] = [material.random.pick(positions), material.random.pick(positions)]
    material.files.set(name, overwritten(file, file.subarray(from, frameEnd(file, from)), to))
  },
  'names exchanged': (material) => {
    const [[first, one], [second, other]] = [pickFile(material), pickFile(material)]
    material.files.set(first, other).set(second, one)
  },
  'a file renamed': (material) => {
    const [name, file] = pickFile(material)
    material.files.delete(name)
    material.files.set(drawName(material.random), file)
  },
  'a file copied': (material) => {
    material.files.set(drawName(material.random), pickFile(material)[1])
  },
  'a file of another log': (material) => {
    const [name, file] = pickForeign(material)
    material.files.set(material.random.chance(0.5) ? name : pickFile(material)[0], file)
  },
  'a file missing': (material) => {
    if (material.files.size > 1) material.files.delete(pickFile(material)[0])
  },
  'a file with a hole at its end': ({ files, sizes, random }) => {
    const [name, file] = random.pick([...files])
    // A file longer than every position must be refused without reading the rest.
    sizes.set(
      name,
      file.length + random.pick([random.int(8000), random.int(8000), random.int(2 ** 18), 2 ** 32, 8 * 2 ** 40]),
    )
  },
  'something else than a file': ({ files, kinds, random }) => {
    kinds.set(random.pick([...files.keys(), 'lock']), random.pick(['link', 'directory', 'FIFO']))
  },
  'a log start that is none': (material) => {
    material.files.set('log-start', pickPiece(material.random, pickFile(material)[1]))
  },
  'an unfinished segment': (material) => {
    material.files.set('next.tmp', pickPiece(material.random, pickFile(material)[1]))
  },
}

/** One of the files. */
export function pickFile({ files, random }: Material): [string, Buffer] {
  return random.pick([...files])
}

function pickForeign({ others, random }: Material): [string, Buffer] {
  return random.pick([...random.pick(others)])
}

/** Random bytes, or equal ones. */
function noise(random: Random, length: number): Uint8Array {
  if (random.chance(0.5)) return random.bytes(length)
  return new Uint8Array(length).fill(random.pick([0, 0, 0xff, random.int(256)]))
}

/** A position in a file: anywhere, a multiple of 8, the start of a frame, or close to one. */
function pickPlace(random: Random, file: Buffer): number {
  const anywhere = random.int(file.length + 1)
  const style = random.int(4)
  if (style === 0) return anywhere
  if (style === 1) return anywhere - (anywhere % 8)
  const frame = random.pick([...framePositions(file), file.length])
  return style === 2 ? frame : Math.min(Math.max(frame + random.int(81) - 40, 0), file.length)
}

function pickRange(random: Random, file: Buffer): [from: number, to: number] {
  const from = pickPlace(random, file)
  const to = random.chance(0.5) ? pickPlace(random, file) : Math.min(from + 1 + random.int(600), file.length)
  return from < to ? [from, to] : [to, from]
}

function pickPiece(random: Random, file: Buffer): Buffer {
  return file.subarray(...pickRange(random, file))
}

/** Overwrites bytes with a piece, or inserts it. */
function put(material: Material, piece: Buffer): void {
  const { files, random } = material
  const [name, file] = pickFile(material)
  const at = pickPlace(random, file)
  const between = Buffer.concat([file.subarray(0, at), piece, file.subarray(at)])
  files.set(name, random.chance(0.5) ? between : overwritten(file, piece, at))
}

function overwritten(file: Buffer, piece: Uint8Array, at: number): Buffer {
  return Buffer.concat([file.subarray(0, at), piece, file.subarray(at + piece.length)])
}

/** The name of a segment with a likely or an extreme base offset. */
function drawName(random: Random): string {
  const baseOffset = random.pick([
    BigInt(random.int(20)),
    BigInt(random.uint32()),
    2n ** 53n - 1n,
    2n ** 53n,
    10n ** BigInt(SEGMENT_NAME_DIGITS) - 1n,
  ])
  return segmentFileName(baseOffset)
}

export function segmentFileName(baseOffset: bigint): string {
  return `${String(baseOffset).padStart(SEGMENT_NAME_DIGITS, '0')}.wal`
}
