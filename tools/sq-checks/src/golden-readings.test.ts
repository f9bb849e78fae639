/**
 * Tests two independent readers: `@sq/storage`, and `examples/read_wal.py`, which was written from the specification of
 * the format alone. Both must find in each golden log what its `reading.json` says, which is never changed.
 *
 * To add the `reading.json` of a new golden log, run this test once with `SQ_ADD_READING=<name>` in the environment. It
 * never overwrites an existing file.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { crc32 } from 'node:zlib'
import { afterAll, describe, expect, it } from 'vitest'
import { copyGoldenLog, goldenNames, goldenSegments, readingPath } from './golden-logs.ts'
import type { CopiedLog } from './golden-logs.ts'
import { readByPython, readByStorage, runPython, whyNoPython } from './log-reading.ts'

/** Positions of fields in the header of a frame. */
const FIELD_AT = { type: 2, recordCount: 16, previousCrc: 28 } as const
const NAME_TO_ADD = process.env['SQ_ADD_READING']
const root = mkdtempSync(join(tmpdir(), 'sq-golden-'))
afterAll(() => rmSync(root, { recursive: true }))

const noPython = whyNoPython()
if (noPython !== null) process.stderr.write(`The Python reader is not tested: ${noPython}.\n`)

describe.each(goldenNames())('the golden log %s', (name) => {
  if (name === NAME_TO_ADD) {
    it('gets a reading.json', async () => {
      const reading = await readByStorage(await copyGoldenLog(name, root))
      writeFileSync(readingPath(name), `${JSON.stringify(reading, null, 2)}\n`, { flag: 'wx' })
    })
  }

  const expected = (): unknown => JSON.parse(readFileSync(readingPath(name), 'utf8'))

  it('is read by @sq/storage as its reading.json says', async () => {
    expect(await readByStorage(await copyGoldenLog(name, root))).toEqual(expected())
  })

  it.skipIf(noPython)('is read by the Python reader as its reading.json says', async () => {
    expect(readByPython(await copyGoldenLog(name, root))).toEqual(expected())
  })
})

/** A copy of a golden log with one file changed. */
async function changed(name: string, at: number, change: (bytes: Buffer) => Buffer): Promise<CopiedLog> {
  const log = await copyGoldenLog(name, mkdtempSync(join(root, 'changed-')))
  const path = join(log.directory, basename(goldenSegments(name)[at] ?? ''))
  writeFileSync(path, change(readFileSync(path)))
  return log
}

/** Flips the lowest bit of one byte. */
function flip(position: number): (bytes: Buffer) => Buffer {
  return (bytes) => {
    bytes.writeUInt8(1 ^ bytes.readUInt8(position), position)
    return bytes
  }
}

function cut(length: number): (bytes: Buffer) => Buffer {
  return (bytes) => bytes.subarray(0, length)
}

function append(count: number, byte = 0): (bytes: Buffer) => Buffer {
  return (bytes) => Buffer.concat([bytes, Buffer.alloc(count, byte)])
}

function zeroed(from: number, to: number): (bytes: Buffer) => Buffer {
  return (bytes) => bytes.fill(0, from, to)
}

/** Sets the first byte of a field of the frame at `position`, and then the checksum of its header. */
function forge(position: number, field: keyof typeof FIELD_AT, value: number): (bytes: Buffer) => Buffer {
  return (bytes) => {
    bytes.writeUInt8(value, position + FIELD_AT[field])
    const salt = bytes.readUInt32LE(68)
    bytes.writeUInt32LE(crc32(bytes.subarray(position, position + 36), salt), position + 36)
    return bytes
  }
}

describe.skipIf(noPython)('both readers agree on', () => {
  it.each([
    ['a segment that is shorter than its successor states', 'healed', 0, cut(256), 'corrupt', 0],
    ['an ignored tail that is gone', 'healed', 0, cut(264), 'clean', 3],
    ['a damaged head', 'sealed-with-index', 1, flip(80), 'corrupt', 0],
    ['an empty file', 'sealed-with-index', 1, cut(0), 'corrupt', 0],
    ['a segment of another version', 'sealed-with-index', 1, flip(4), 'unsupported', 0],
    ['a damaged last commit, which nothing confirms', 'record-shapes', 0, flip(900), 'torn', 5],
    ['a damaged first MARK, which the second one does not confirm', 'closed', 0, flip(480), 'torn', 6],
    ['a MARK with a damaged body', 'closed', 0, flip(1000), 'clean', 6],
    ['padding that is not zero', 'closed', 0, flip(470), 'corrupt', 5],
    ['a frame of an unknown type', 'record-shapes', 0, forge(480, 'type', 9), 'unsupported', 5],
    [
      'a frame whose header counts more records than its body has',
      'record-shapes',
      0,
      forge(480, 'recordCount', 2),
      'corrupt',
      5,
    ],
    [
      'a frame whose header counts fewer records than its body has',
      'closed',
      0,
      forge(264, 'recordCount', 2),
      'corrupt',
      2,
    ],
    ['a last frame that is not chained to the one before', 'record-shapes', 0, forge(480, 'previousCrc', 9), 'torn', 5],
    ['a damaged SEAL with a successor', 'sealed-with-index', 0, flip(94_210), 'corrupt', 0],
    ['a SEAL with a damaged body', 'sealed-with-index', 0, flip(94_250), 'clean', 6],
    ['fewer bytes than a header after the last frame', 'closed', 0, append(20, 1), 'torn', 6],
    ['a few zeros after the last frame', 'closed', 0, append(20), 'clean', 6],
    ['a block of zeros after the last frame', 'closed', 0, append(4096), 'clean', 6],
    ['zeros after a torn commit', 'torn', 0, append(4096), 'torn', 2],
    ['a torn commit over stale bytes whose header is damaged', 'torn-recycled', 0, flip(270), 'clean', 2],
    ['a recycled file that was cut', 'recycled', 0, cut(4128), 'torn', 2],
    ['a damaged last commit before stale bytes', 'recycled', 0, flip(250), 'torn', 1],
    ['a damaged commit before the last one, before stale bytes', 'recycled', 0, flip(180), 'corrupt', 0],
    ['a last commit that became zeros', 'zeros-ahead', 0, zeroed(4824, 6392), 'clean', 3],
    ['a commit before the last that became zeros', 'zeros-ahead', 0, zeroed(3256, 4824), 'corrupt', 2],
  ] as const)('%s', async (_, name, at, change, kind, records) => {
    const log = await changed(name, at, change)
    const [ours, theirs] = [await readByStorage(log), readByPython(log)]
    expect(theirs.records).toEqual(ours.records)
    for (const { end, records: read } of [ours, theirs]) expect([end.kind, read.length]).toEqual([kind, records])
  })
})

it.skipIf(noPython)('the Python reader has another exit code for a missing directory than for a damaged log', () => {
  expect(runPython(join(root, 'nowhere'))).toMatchObject({ status: 2, lines: [] })
})
