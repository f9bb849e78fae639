/** Splits a stream of bytes into the elements of one JSON array. An element keeps its bytes as they are in the file. */
import type { Splitter } from '../input/splitter.ts'

const [quote, backslash, comma, openBracket, closeBracket, openBrace, closeBrace] = Buffer.from('"\\,[]{}')

/** The input is not a single JSON array. */
export class NotAnArrayError extends Error {
  override readonly name = 'NotAnArrayError'
}

/** Finds only where elements begin and end. It does not check that an element is JSON. */
export class ArraySplitter implements Splitter {
  #place: 'before' | 'inside' | 'after' = 'before'
  #elements = 0
  #depth = 0
  #inString = false
  #escaped = false
  #rest: Buffer = Buffer.alloc(0)

  get pendingBytes(): number {
    return this.#rest.length
  }

  *split(chunk: Buffer): Generator<Buffer> {
    let start = 0
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at]!
      if (this.#place !== 'inside') {
        if (isSpace(byte)) continue
        if (this.#place === 'after' || byte !== openBracket) throw new NotAnArrayError()
        this.#place = 'inside'
        start = at + 1
      } else if (this.#isPartOfElement(byte)) {
        continue
      } else {
        const element = this.#take(chunk.subarray(start, at))
        start = at + 1
        if (byte === closeBracket) this.#place = 'after'
        const isEmptyArray = byte === closeBracket && this.#elements === 0 && element.length === 0
        if (!isEmptyArray) yield element
        this.#elements++
      }
    }
    if (this.#place === 'inside') this.#rest = Buffer.concat([this.#rest, chunk.subarray(start)])
  }

  end(): Buffer[] {
    if (this.#place !== 'after') throw new NotAnArrayError()
    return []
  }

  /** Tracks strings and nesting. False for the comma or bracket that ends an element of the outermost array. */
  #isPartOfElement(byte: number): boolean {
    if (this.#inString) {
      if (this.#escaped) this.#escaped = false
      else if (byte === backslash) this.#escaped = true
      else if (byte === quote) this.#inString = false
      return true
    }
    if (this.#depth === 0 && (byte === comma || byte === closeBracket)) return false
    if (byte === quote) this.#inString = true
    else if (byte === openBracket || byte === openBrace) this.#depth++
    else if (byte === closeBracket || byte === closeBrace) this.#depth--
    return true
  }

  #take(lastPart: Buffer): Buffer {
    const element = Buffer.concat([this.#rest, lastPart])
    this.#rest = Buffer.alloc(0)
    let [start, end] = [0, element.length]
    while (start < end && isSpace(element[start]!)) start++
    while (start < end && isSpace(element[end - 1]!)) end--
    return element.subarray(start, end)
  }
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}
