/**
 * The process that is killed: does what its plan says with many appends in flight, and reports every acknowledgement at
 * once. It goes on until it is killed, or until nobody listens.
 */
import { writeSync } from 'node:fs'
import { NodeFileSystem } from '@sq/sim'
import { WalWriter } from '@sq/storage'
import { PARTITION, TOPIC } from '../log-under-test.ts'
import { makeRecord } from './numbered-record.ts'
import { drawSteps } from './plan.ts'
import type { AppenderReport, AppenderTask } from './protocol.ts'

const MAX_IN_FLIGHT = 64
const STDOUT = 1

const { dataDir, planSeed, firstSerial }: AppenderTask = JSON.parse(process.argv[2] ?? '')
const fs = new NodeFileSystem()

let serial = firstSerial
/** What the next append must get. */
let offset = 0

try {
  await followPlan()
} catch (error) {
  fail(error)
}

async function followPlan(): Promise<void> {
  let writer: WalWriter | null = null
  const inFlight: Promise<unknown>[] = []
  for (const step of drawSteps(planSeed)) {
    if (step.kind === 'open') {
      await Promise.all(inFlight.splice(0))
      await writer?.close()
      writer = await open(step.maxSegmentBytes)
    }
    if (writer === null) throw new Error('a plan begins with opening the log')
    while (inFlight.length >= MAX_IN_FLIGHT) await inFlight.shift()
    if (step.kind === 'append') inFlight.push(append(writer, step.records).catch(fail))
    if (step.kind === 'rotate') inFlight.push(writer.closeActiveSegment().catch(fail))
  }
}

async function open(maxSegmentBytes: number): Promise<WalWriter> {
  report({ kind: 'opening' })
  const writer = await WalWriter.open(fs, { dataDir, maxSegmentBytes }, TOPIC, PARTITION)
  offset = Number(writer.nextOffset)
  report({ kind: 'opened', nextOffset: offset })
  return writer
}

async function append(writer: WalWriter, count: number): Promise<void> {
  const expected = offset
  const records = Array.from({ length: count }, () => makeRecord(serial++))
  offset += count
  const given = await writer.appendBatch(records)
  if (given !== BigInt(expected)) throw new Error(`6: an append got offset ${given}, expected ${expected}`)
  report({ kind: 'acknowledged', nextOffset: expected + count })
}

function fail(error: unknown): never {
  report({ kind: 'failed', message: error instanceof Error ? error.message : String(error) })
  process.exit(1)
}

/** In the pipe when this returns. The descriptor blocks; as `process.stdout` it would not, and could be full. */
function report(message: AppenderReport): void {
  try {
    writeSync(STDOUT, `${JSON.stringify(message)}\n`)
  } catch {
    // Nobody listens any more.
    process.exit(1)
  }
}
