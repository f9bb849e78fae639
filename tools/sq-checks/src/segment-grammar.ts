/** Compiles the grammar of a segment file, `docs/sqwl.ksy`, to a parser, and declares the types of its results. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { compileFunction } from 'node:vm'
import runtime from 'kaitai-struct'
import compiler from 'kaitai-struct-compiler'
import { parse } from 'yaml'
import { ROOT } from './source-tree.ts'

/** A parsed file. The names are those that the compiler makes of the names in the grammar. */
export interface ParsedSegment {
  readonly header: {
    readonly version: number
    readonly lenTopic: number
    readonly topicStart: Uint8Array
    readonly partition: number
  }
  readonly frames: readonly ParsedFrame[]
  readonly rest: Uint8Array
}

export interface ParsedFrame {
  readonly header: {
    readonly type: number
    readonly attributes: number
    readonly lenBody: number
    readonly baseOffset: number
    readonly recordCount: number
    readonly position: number
    readonly durablePosition: number
    readonly previousCrc: number
    readonly bodyCrc: number
    readonly headerCrc: number
    readonly end: number
  }
  /** The type of the frame says which of these it is. */
  readonly body: ParsedOpen & ParsedRecords & ParsedSeal & Uint8Array
  readonly padding: Uint8Array
}

interface ParsedOpen {
  readonly segmentId: Uint8Array
  readonly createdMs: number
  readonly hasPrevious: boolean
  readonly previousBaseOffset: number
  readonly previousEnd: number
  readonly previousLastPosition: number
  readonly previousLastCrc: number
  readonly topic: string
}

interface ParsedRecords {
  /** Given by the attributes of the frame. */
  readonly metadata?: Uint8Array
  readonly opaque?: {
    readonly minTimestampMs: number
    readonly maxTimestampMs: number
    readonly payload: Uint8Array
  }
  readonly records: readonly {
    readonly offset: number
    readonly lenRecord: number
    readonly timestampMs: number
    /** Missing if there is no key. */
    readonly key?: Uint8Array
    /** Not given if there is no value. */
    readonly value?: Uint8Array
    readonly headers: readonly { readonly key: string; readonly value: Uint8Array }[]
  }[]
}

interface ParsedSeal {
  readonly minTimestampMs: number
  readonly maxTimestampMs: number
  readonly entries: readonly {
    readonly offsetDelta: number
    readonly position: number
    readonly maxTimestampMs: number
  }[]
  readonly position: number
}

/** A parsed log start. */
interface ParsedLogStart {
  readonly version: number
  readonly offset: number
  readonly checksum: number
}

/** The parsed trailer of a recycled file. */
interface ParsedTrailer {
  readonly position: number
  readonly checksum: number
}

/** The parsers of both kinds of files, and of a trailer. */
export interface Grammar {
  readonly parse: (segment: Uint8Array) => ParsedSegment
  readonly parseLogStart: (logStart: Uint8Array) => ParsedLogStart
  readonly parseTrailer: (trailer: Uint8Array) => ParsedTrailer
}

const { KaitaiStream } = runtime

type Parser<T> = new (stream: InstanceType<typeof KaitaiStream>) => T

/** Compiles the grammar. */
export async function compileGrammar(): Promise<Grammar> {
  const grammar: unknown = parse(readFileSync(join(ROOT, 'docs/sqwl.ksy'), 'utf8'))
  const files = await compiler.compile('javascript', grammar, null, false)
  type Others = { readonly LogStart: Parser<ParsedLogStart>; readonly RecyclingTrailer: Parser<ParsedTrailer> }
  const made: { Sqwl?: Parser<ParsedSegment> & Others } = {}
  const load = compileFunction(files['Sqwl.js'] ?? '', ['exports', 'require'])
  // The parser requires only the runtime.
  load(made, () => KaitaiStream)
  const { Sqwl } = made
  if (Sqwl === undefined) throw new Error('the compiled grammar exports no parser')
  return {
    parse: (segment) => new Sqwl(streamOf(segment)),
    parseLogStart: (logStart) => new Sqwl.LogStart(streamOf(logStart)),
    parseTrailer: (trailer) => new Sqwl.RecyclingTrailer(streamOf(trailer)),
  }
}

function streamOf(file: Uint8Array): InstanceType<typeof KaitaiStream> {
  return new KaitaiStream(Uint8Array.from(file).buffer)
}
