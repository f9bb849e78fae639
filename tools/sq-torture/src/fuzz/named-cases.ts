/** Hostile logs that were found earlier. Each has a name and is judged at the start of every run. */
import { CraftedSegment, recordOf, TOPIC, TYPE } from './crafted-segment.ts'
import type { FuzzCase } from './fuzz-case.ts'
import type { Verdict } from './judge.ts'
import { logStartBytes } from './log-start-bytes.ts'
import { segmentFileName } from './mutations.ts'
import type { FileKind } from './watched-file-system.ts'

/** A log, and the expected verdict. */
export interface NamedCase {
  readonly name: string
  readonly fuzzed: FuzzCase
  readonly expected: Verdict
}

interface Shape {
  readonly segments: readonly CraftedSegment[]
  /** The size of the last segment's file. The rest is zeros. */
  readonly sizeBytes?: number
  /** The log start, if there is one. */
  readonly logStart?: Buffer
  /** Names that are not regular files. */
  readonly kinds?: ReadonlyMap<string, FileKind>
}

const WHOLE: Verdict = { reader: 'whole', writer: 'whole' }
const TORN: Verdict = { reader: 'whole', writer: 'torn' }
const CORRUPT: Verdict = { reader: 'SQ_WAL_CORRUPT', writer: 'SQ_WAL_CORRUPT' }
const UNSUPPORTED: Verdict = { reader: 'SQ_WAL_UNSUPPORTED', writer: 'SQ_WAL_UNSUPPORTED' }
const NO_FILE: Verdict = { reader: 'SQ_WAL_IO', writer: 'SQ_WAL_IO' }

const MANY = 4000
const FIRST = segmentFileName(0n)

function segment(): CraftedSegment {
  return new CraftedSegment().records(1)
}

/** Two segments. The first one ends in a SEAL with this index. */
function sealedBy(indexBytes: Buffer): readonly CraftedSegment[] {
  const first = segment().seal(indexBytes)
  return [first, new CraftedSegment({ baseOffset: first.nextOffset, previous: first.link }).records(1)]
}

const SHAPES: Readonly<Record<string, () => readonly [Verdict, Shape]>> = {
  'commits that prove nothing': () => {
    const many = new CraftedSegment()
    for (let at = 0; at < MANY; at++) many.records(1, { durablePosition: 0 })
    return [WHOLE, { segments: [many] }]
  },
  'frames that each break the chain': () => {
    const many = segment()
    for (let at = 0; at < MANY; at++) many.frame({ type: TYPE.mark, previousCrc: at, baseOffset: BigInt(2 * at) })
    return [CORRUPT, { segments: [many.frame({ type: TYPE.mark })] }]
  },
  'frames whose bodies are all wrong': () => {
    const many = segment()
    for (let at = 0; at < MANY; at++) many.records(1, { bodyCrc: at })
    return [CORRUPT, { segments: [many.frame({ type: TYPE.mark })] }]
  },
  'a frame of 2 GiB': () => {
    const bodyLength = 2 ** 31
    const long = segment().frame({ type: TYPE.records, recordCount: 1, bodyLength, bodyCrc: 0 })
    return [UNSUPPORTED, { segments: [long], sizeBytes: long.position + bodyLength }]
  },
  'a MARK of exactly 2^32 bytes': () => {
    const long = segment().frame({ type: TYPE.mark, bodyLength: 2 ** 32 - 40 })
    return [UNSUPPORTED, { segments: [long], sizeBytes: 2 ** 32 - 1 }]
  },
  'a body of 65 MiB with the wrong checksum': () => {
    const bodyLength = 65 * 2 ** 20
    const long = segment().frame({ type: TYPE.records, recordCount: 1, bodyLength, bodyCrc: 1 })
    return [TORN, { segments: [long], sizeBytes: long.position + bodyLength }]
  },
  'a segment of 5 GiB': () => [UNSUPPORTED, { segments: [segment()], sizeBytes: 5 * 2 ** 30 }],
  'a segment of 8 TiB': () => [UNSUPPORTED, { segments: [segment()], sizeBytes: 8 * 2 ** 40 }],
  'a segment of 8 MiB of zeros': () => [WHOLE, { segments: [segment()], sizeBytes: 2 ** 23 }],
  'a SEAL with an index of zeros': () => [WHOLE, { segments: sealedBy(Buffer.alloc(16 * 1000)) }],
  'a SEAL with more of an index than any segment has': () => {
    const crafted = segment().seal(Buffer.alloc(2 ** 20))
    return [UNSUPPORTED, { segments: [crafted] }]
  },
  'an OPEN that states a segment before it that cannot be': () => {
    const previous = { baseOffset: 2n ** 64n - 2n, end: 2 ** 32 - 1, lastPosition: 2 ** 32 - 1, lastCrc: 0 }
    return [CORRUPT, { segments: [segment(), new CraftedSegment({ baseOffset: 1n, previous }).records(1)] }]
  },
  'a proof at an offset that cannot be': () => {
    const broken = segment().frame({ type: TYPE.mark, previousCrc: 1 })
    return [
      CORRUPT,
      { segments: [broken.frame({ type: TYPE.mark, baseOffset: 2n ** 64n - 1n }).frame({ type: TYPE.mark })] },
    ]
  },
  'offsets that are used up': () => {
    return [WHOLE, { segments: [new CraftedSegment({ baseOffset: 2n ** 53n - 2n }).records(1)] }]
  },
  'offsets past all offsets': () => {
    return [UNSUPPORTED, { segments: [new CraftedSegment({ baseOffset: 2n ** 53n - 2n }).records(2)] }]
  },
  'a hundred thousand empty records': () => [WHOLE, { segments: [new CraftedSegment().records(100_000)] }],
  'a record of a hundred thousand empty headers': () => {
    const record = recordOf({ headers: 100_000 })
    return [WHOLE, { segments: [new CraftedSegment().frame({ type: TYPE.records, recordCount: 1 }, record)] }]
  },
  'a record of lengths that cannot be': () => {
    const record = recordOf({ key: 2 ** 31 - 1, value: 2 ** 32 - 1 })
    const crafted = segment().frame({ type: TYPE.records, recordCount: 1 }, record)
    // Opening reads only the timestamps of records. Readers refuse the rest.
    return [{ reader: 'SQ_WAL_CORRUPT', writer: 'whole' }, { segments: [crafted] }]
  },
  'a link in place of a segment': () => [NO_FILE, { segments: [segment()], kinds: new Map([[FIRST, 'link']]) }],
  'a FIFO in place of a segment': () => [NO_FILE, { segments: [segment()], kinds: new Map([[FIRST, 'FIFO']]) }],
  'a directory in place of a segment': () => [
    NO_FILE,
    { segments: [segment()], kinds: new Map([[FIRST, 'directory']]) },
  ],
  'a log start behind the end': () => [WHOLE, { segments: [segment()], logStart: logStartBytes(TOPIC, 9n) }],
  'a log start at the last offset': () => {
    return [WHOLE, { segments: [segment()], logStart: logStartBytes(TOPIC, 2n ** 53n - 1n) }]
  },
  'a log start past all offsets': () => {
    return [UNSUPPORTED, { segments: [segment()], logStart: logStartBytes(TOPIC, 2n ** 53n) }]
  },
  'a log start of another log': () => [CORRUPT, { segments: [segment()], logStart: logStartBytes('u', 0n) }],
  'a log start of no bytes': () => [CORRUPT, { segments: [segment()], logStart: Buffer.alloc(0) }],
  'a log start of a mebibyte': () => {
    const logStart = Buffer.concat([logStartBytes(TOPIC, 0n), Buffer.alloc(2 ** 20)])
    return [CORRUPT, { segments: [segment()], logStart }]
  },
  'a FIFO in place of the log start': () => {
    return [NO_FILE, { segments: [segment()], logStart: Buffer.alloc(20), kinds: new Map([['log-start', 'FIFO']]) }]
  },
  'a link in place of the lock': () => {
    return [
      { reader: 'whole', writer: 'SQ_WAL_IO' },
      { segments: [segment()], kinds: new Map([['lock', 'link']]) },
    ]
  },
}

/** Creates all of them. */
export function* namedCases(): Generator<NamedCase> {
  for (const [name, make] of Object.entries(SHAPES)) {
    const [expected, { segments, sizeBytes, logStart, kinds = new Map() }] = make()
    const names = segments.map(({ baseOffset }) => segmentFileName(baseOffset))
    const files = new Map(segments.map(({ bytes }, at) => [names[at] ?? '', bytes]))
    if (logStart !== undefined) files.set('log-start', logStart)
    const sizes = new Map(sizeBytes === undefined ? [] : [[names.at(-1) ?? '', sizeBytes]])
    const log = { name, topic: TOPIC, files, written: new Map() }
    const drawn = { mutations: [name], forged: true, sources: [], maxSegmentBytes: 100_000 }
    yield { name, expected, fuzzed: { log, files, sizes, kinds, ...drawn } }
  }
}
