/**
 * The child process of the demo. It opens the log, continues after its last record with many appends in flight, and
 * reports acknowledgements. It can be killed at any moment, and exits when its parent does.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { WalWriter } from '@sq/storage'
import { messageOf } from '../message-of.ts'
import { AppendWindow } from './append-window.ts'
import { readRecords } from './input.ts'
import { fs, logConfig, partition, topic } from './log.ts'
import type { AppendReport, AppendTask } from './protocol.ts'

/** Appends per turn of the event loop. Between two turns the log writes, and the next commit collects records. */
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

/** Counts acknowledgements, and sends one report for all that arrive together. */
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

/** If the parent is gone, the report is lost, and `disconnect` ends this process. */
function report(message: AppendReport, done = (): void => {}): void {
  process.send?.(message, undefined, undefined, done)
}
