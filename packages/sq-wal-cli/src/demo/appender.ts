/**
 * The child process of the demo: opens the log, goes on from where it ends with many appends in flight, and reports
 * what is acknowledged. Made to be killed at any moment; ends by itself when its parent does.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { WalWriter } from '@sq/storage'
import { messageOf } from '../message-of.ts'
import { AppendWindow } from './append-window.ts'
import { readRecords } from './input.ts'
import { fs, logConfig, partition, topic } from './log.ts'
import type { AppendReport, AppendTask } from './protocol.ts'

/** Between two bursts of appends the log gets to write: records gather while others are under way to the disk. */
const burst = 256

process.on('disconnect', () => process.exit())

try {
  const task: AppendTask = JSON.parse(process.argv[2] ?? '')
  await appendRecords(task)
} catch (error) {
  report({ kind: 'failed', message: messageOf(error) }, () => process.exit())
}

async function appendRecords(task: AppendTask): Promise<void> {
  const writer = await WalWriter.open(fs, logConfig(task.dataDir), topic, partition)
  const from = Number(writer.nextOffset)
  report({ kind: 'opened', nextOffset: from, discardedBytes: writer.recovery.torn?.discardedBytes ?? 0 })

  const window = new AppendWindow(writer, acknowledgedReporter(from))
  let index = from
  for await (const record of readRecords(task.source, { from })) {
    if (index === task.until) break
    if (window.isFull) await window.room()
    window.append(record)
    index++
    if (index % burst === 0) await nextTurn()
  }
  await window.drained()
  if (!task.close) return
  await writer.close()
  report({ kind: 'closed' }, () => process.exit())
}

/** Counts what is acknowledged, and reports it once for all that is acknowledged together. */
function acknowledgedReporter(from: number): () => void {
  let nextOffset = from
  let reported = from
  return () => {
    if (nextOffset === reported) {
      setImmediate(() => {
        report({ kind: 'acknowledged', nextOffset })
        reported = nextOffset
      })
    }
    nextOffset++
  }
}

/** A parent that is gone hears nothing more: then `disconnect` ends this process. */
function report(message: AppendReport, done = (): void => {}): void {
  process.send?.(message, undefined, undefined, done)
}
