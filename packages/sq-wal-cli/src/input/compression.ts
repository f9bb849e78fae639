/** Decompresses an input that is gzip or Zstandard. */
import { pipeline, Readable } from 'node:stream'
import type { Transform } from 'node:stream'
import * as zlib from 'node:zlib'
import { CommandError } from '../command-error.ts'
import { isError, messageOf } from '../message-of.ts'
import { withFirstBytes } from './first-bytes.ts'

const GZIP = Buffer.from([0x1f, 0x8b])
const ZSTANDARD = Buffer.from([0x28, 0xb5, 0x2f, 0xfd])

/**
 * The bytes of an input, decompressed if its first bytes say that it is gzip or Zstandard. No text and no length prefix
 * of a record begins like them. Throws a `CommandError` for damaged data, and for Zstandard if this Node lacks it.
 */
export async function* decompressed(stream: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const { mark, chunks } = await withFirstBytes(stream, [GZIP, ZSTANDARD])
  if (mark === null) {
    yield* chunks
    return
  }
  const decoder = mark === GZIP ? zlib.createGunzip() : zstandardDecoder()
  // An error of the input also ends the decoder.
  pipeline(Readable.from(chunks), decoder, () => {})
  try {
    yield* decoder
  } catch (error) {
    if (!isError(error) || !('code' in error) || !/^Z_|^ZSTD_|^ERR_ZLIB/.test(String(error.code))) throw error
    const name = mark === GZIP ? 'gzip' : 'Zstandard'
    throw new CommandError(`the ${name} data is damaged or ends too early: ${messageOf(error)}`)
  }
}

function zstandardDecoder(): Transform {
  const create: unknown = Reflect.get(zlib, 'createZstdDecompress')
  if (typeof create === 'function') return create()
  throw new CommandError(
    `the input is compressed with Zstandard, which Node ${process.version} cannot decompress; pipe it through zstd -dc`,
  )
}
