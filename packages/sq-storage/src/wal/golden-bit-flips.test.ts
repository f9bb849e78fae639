import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { flipOutcomes } from '../testing/bit-flips.ts'
import { segmentName } from './segment.ts'

const GOLDEN = join(dirname(fileURLToPath(import.meta.url)), '../../golden')
const FIRST = segmentName(0)

/** A copy of a golden log, with the content of its first segment. */
function golden(name: string, partition: number) {
  const names = readdirSync(join(GOLDEN, name)).filter((file) => file.endsWith('.wal'))
  const files = new Map(names.map((file) => [file, readFileSync(join(GOLDEN, name, file))]))
  const first = files.get(FIRST) ?? expect.unreachable(`${name} has no ${FIRST}`)
  return { log: { topic: 'orders', partition, files }, lastFrame: lastFramePosition(first), bytes: first.length }
}

/**
 * The position of the last frame of a file: OPEN follows the segment header, and each other frame the one before it.
 */
function lastFramePosition(file: Buffer): number {
  let last = 32
  for (let at = last; at < file.length; at += 40 + 8 * Math.ceil(file.readUInt32LE(at + 4) / 8)) last = at
  return last
}

describe('every single bit flipped', { timeout: 120_000 }, () => {
  it('in records with keys and headers is refused; in the last commit, which nothing confirms, is torn', async () => {
    const { log, lastFrame, bytes } = golden('record-shapes', 0)
    const before = await flipOutcomes(log, { name: FIRST, from: 0, to: lastFrame })
    expect(before).toEqual({ 'refuses to read, refuses to open': 8 * lastFrame })
    const within = await flipOutcomes(log, { name: FIRST, from: lastFrame, to: bytes })
    expect(within).toEqual({ 'reads 5, opens': 8 * (bytes - lastFrame) })
  })

  it('in the header of a SEAL is refused; in its index, which can be rebuilt, changes nothing', async () => {
    const { log, lastFrame, bytes } = golden('sealed-with-index', 7)
    const header = await flipOutcomes(log, { name: FIRST, from: lastFrame, to: lastFrame + 40 })
    expect(header).toEqual({ 'refuses to read, refuses to open': 8 * 40 })
    const index = await flipOutcomes(log, { name: FIRST, from: lastFrame + 40, to: bytes })
    expect(index).toEqual({ 'reads 6, opens': 8 * (bytes - lastFrame - 40) })
  })
})
