/**
 * The process that is killed. It follows its plan with many appends in flight, and reports every acknowledgement
 * immediately, until it is killed or its parent has exited.
 */
import { writeSync } from 'node:fs'
import { NodeFileSystem } from '@sq/sim'
import { WalWriter } from '@sq/storage'
import { PARTITION, TOPIC } from '../log/log-under-test.ts'
import { makeRecord } from './numbered-record.ts'
import { drawSteps } from './plan.ts'
import type { AppenderReport, AppenderTask } from './protocol.ts'

const MAX_IN_FLIGHT = 64
const STDOUT = 1

const { dataDir, planSeed, firstSerial }: AppenderTask = JSON.parse(process.argv[2] ?? '')
const fs = new NodeFileSystem()

let serial = firstSerial
/** The offset that the next append must get. */
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
    if (writer === null) throw new Error('a plan must start by opening the log')
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

/**
 * The report is in the pipe when this returns: the descriptor blocks. `process.stdout` would not, and could be full.
 */
function report(message: AppenderReport): void {
  try {
    writeSync(STDOUT, `${JSON.stringify(message)}\n`)
  } catch {
    // The parent has exited.
    process.exit(1)
  }
}
