/** The archive of logs: uploads, lists, verifies, restores and trims it. */
import { subscribe } from 'node:diagnostics_channel'
import {
  ArchiveError,
  Archiver,
  deleteArchived,
  listArchive,
  ObjectStoreError,
  ObjectStoreFileSystem,
  restoreLog,
  verifyArchive,
} from '@sq/archive'
import type {
  ArchivedSegment,
  ArchivedWriter,
  ArchiveReport,
  ObjectStore,
  ObjectStoreErrorCode,
  RetryEvent,
} from '@sq/archive'
import { NodeFileSystem, SystemClock } from '@sq/sim'
import { listPartitions, listSegments, LogNotFoundError, WalError, WalWriter } from '@sq/storage'
import { CommandError } from '../command-error.ts'
import { dataDirOf } from '../log-name.ts'
import type { ArchivedLogName, DataDirOption, LogName } from '../log-name.ts'
import { messageOf } from '../message-of.ts'
import { colors, counted, formatBytes, formatTime, printLine, printNotice, writeJson, writeTable } from '../output.ts'
import { withStore } from '../store.ts'

/** The archive of a command. */
export interface StoreOption {
  readonly store?: string
}

interface JsonOption extends StoreOption {
  readonly json?: boolean
}

export interface ArchivePushOptions extends JsonOption, DataDirOption {
  readonly end?: boolean
  readonly begin?: boolean
}

export type ArchiveLsOptions = JsonOption

export interface ArchiveVerifyOptions extends JsonOption {
  readonly deep?: boolean
}

export interface ArchiveRestoreOptions extends JsonOption, DataDirOption {
  readonly bytes?: number
}

export interface ArchiveRetainOptions extends JsonOption {
  readonly bytes?: number
  readonly age?: number
  readonly before?: bigint
  readonly trustClock?: boolean
  readonly yes?: boolean
}

export async function push(
  log: LogName,
  place: string,
  { end = false, begin = false, json = false }: ArchivePushOptions,
): Promise<void> {
  const giveUp = new AbortController()
  subscribe('sq:archive:retry', (message) => {
    if (!isRetry(message)) return
    if (isLasting(message.error)) giveUp.abort(message.error)
    else printNotice(`the upload failed and is tried again: ${messageOf(message.error)}`)
  })
  const result = await withStore(place, { readOnly: false }, async (store) => {
    const { config, topic, partition } = log
    const fs = new NodeFileSystem()
    const writer = end ? await WalWriter.open(fs, config, topic, partition, { create: false }) : await endedLog(fs, log)
    try {
      if (end) await writer.closeActiveSegment()
      const archiver = new Archiver(fs, config, store)
      const archived = archiver.attach(writer, topic, partition, { beginArchive: begin })
      await archived.close({ signal: giveUp.signal })
      if (archived.error !== null) throw archived.error
      const { uploadedSegments, uploadedBytes, archivedOffset } = archived.stats()
      return { uploadedSegments, uploadedBytes, archivedOffset, logEndOffset: writer.logEndOffset }
    } finally {
      if (writer instanceof WalWriter) await writer.close()
    }
  })
  if (json) return writeJson(result)
  const { uploadedSegments, uploadedBytes, archivedOffset, logEndOffset } = result
  const rest =
    logEndOffset > archivedOffset ? `; ${counted(logEndOffset - archivedOffset, 'record')} not archived yet` : ''
  const uploaded = `${counted(uploadedSegments, 'segment')} uploaded, ${formatBytes(uploadedBytes)}`
  await printLine(`${uploaded}; the archive ends before offset ${archivedOffset}${rest}`)
}

function isRetry(message: unknown): message is RetryEvent {
  return typeof message === 'object' && message !== null && 'error' in message
}

/** Whether a failure stays until someone changes something: the store or the log refuses, or is damaged. */
function isLasting(error: unknown): boolean {
  if (error instanceof ObjectStoreError) return LASTING.has(error.code)
  return error instanceof ArchiveError || (error instanceof WalError && error.code !== 'SQ_WAL_IO')
}

const LASTING: ReadonlySet<ObjectStoreErrorCode> = new Set(['bad-key', 'denied', 'no-conditional-put'])

/** A log whose writer is another process: its ended segments can be archived, and nothing else is done to it. */
async function endedLog(fs: NodeFileSystem, { config, topic, partition }: LogName): Promise<ArchivedWriter> {
  const segments = await listSegments(fs, config, topic, partition)
  return {
    logEndOffset: segments.at(-1)?.nextOffset ?? 0n,
    closeActiveSegment: () => Promise.resolve(null),
    deleteSegments: () => Promise.resolve([]),
  }
}

export async function ls(
  log: ArchivedLogName | null,
  place: string,
  { json = false }: ArchiveLsOptions,
): Promise<void> {
  await withStore(place, { readOnly: true }, async (store) => {
    if (log !== null) return listOne(store, log, json)
    const logs: { topic: string; partition: number; segments: number; bytes: number; from: bigint; to: bigint }[] = []
    for (const { topic, partition } of await archivedLogs(store)) {
      const { segments } = await listArchive(store, { topic, partition })
      const bytes = sizeOf(segments)
      const [from, to] = [segments[0]?.baseOffset ?? 0n, segments.at(-1)?.nextOffset ?? 0n]
      logs.push({ topic, partition, segments: segments.length, bytes, from, to })
    }
    if (json) {
      return writeJson(logs.map(({ from, to, ...listed }) => ({ ...listed, logStartOffset: from, logEndOffset: to })))
    }
    if (logs.length === 0) return printNotice(`there is no log in ${place}`)
    const right = { align: 'right' } as const
    await writeTable(
      [{ title: 'LOG' }, { title: 'SEGMENTS', ...right }, { title: 'SIZE', ...right }, { title: 'OFFSETS', ...right }],
      logs.map(({ topic, partition, segments, bytes, from, to }) => [
        `${topic}/${partition}`,
        String(segments),
        formatBytes(bytes),
        from === to ? `${from}` : `${from}-${to - 1n}`,
      ]),
    )
  })
}

async function archivedLogs(store: ObjectStore): Promise<{ topic: string; partition: number }[]> {
  try {
    const found = await listPartitions(new ObjectStoreFileSystem(store), { dataDir: '/' })
    return found.flatMap(({ topic, partition, error }) => {
      if (error !== undefined) throw error
      return [{ topic, partition }]
    })
  } catch (error) {
    if (error instanceof LogNotFoundError) return []
    throw error
  }
}

async function listOne(store: ObjectStore, log: ArchivedLogName, json: boolean): Promise<void> {
  const { segments } = await listArchive(store, log)
  if (json) return writeJson(segments)
  if (segments.length === 0) throw noLog(log)
  await writeSegments(segments)
}

function noLog({ topic, partition }: ArchivedLogName): CommandError {
  return new CommandError(`there is no log ${topic}/${partition} in the archive`)
}

async function writeSegments(segments: readonly ArchivedSegment[]): Promise<void> {
  const right = { align: 'right' } as const
  await writeTable(
    [{ title: 'SEGMENT' }, { title: 'SIZE', ...right }, { title: 'OFFSETS', ...right }, { title: 'CREATED' }],
    segments.map(({ key, bytes, baseOffset, nextOffset, createdMs }) => [
      key.slice(key.lastIndexOf('/') + 1),
      formatBytes(bytes),
      `${baseOffset}-${nextOffset - 1n}`,
      formatTime(createdMs),
    ]),
  )
}

function sizeOf(segments: readonly ArchivedSegment[]): number {
  return segments.reduce((sum, { bytes }) => sum + bytes, 0)
}

/** Resolves with the exit status. */
export async function verify(
  log: ArchivedLogName,
  place: string,
  { deep = false, json = false }: ArchiveVerifyOptions,
): Promise<number> {
  const report = await withStore(place, { readOnly: true }, (store) => verifyArchive(store, log, { deep }))
  if (json) {
    const damaged = report.damaged.map(({ key, message }) => ({ key, message }))
    await writeJson({ ...report, damaged })
  } else await writeReport(log, report)
  if (report.segments.length === 0 && report.damaged.length === 0) {
    throw new CommandError(`there is no log ${log.topic}/${log.partition} in the archive; nothing was verified`)
  }
  return report.isSound ? 0 : 1
}

async function writeReport(log: ArchivedLogName, report: ArchiveReport): Promise<void> {
  const { segments, bytes, logStartOffset, logEndOffset, damaged, gaps, detached } = report
  const { unsealedEnd, lateUploads, foreign, content } = report
  if (segments.length === 0 && damaged.length === 0) return
  const verdict = report.isSound ? colors.green('no problem') : colors.red('problems')
  const held = `${counted(segments.length, 'segment')}, ${formatBytes(bytes)}, offsets ${logStartOffset} up to ${logEndOffset}`
  await printLine(`${log.topic}/${log.partition}: `, verdict, `; ${held}`)
  for (const { message } of damaged) await printLine('  ', colors.red('damaged'), `: ${message}`)
  for (const { fromOffset, toOffset } of gaps) {
    await printLine('  ', colors.red('missing'), `: the offsets from ${fromOffset} up to ${toOffset}`)
  }
  for (const [first, ...rest] of detached) {
    const run = rest.at(-1) ?? first
    await printLine(
      '  ',
      colors.red('detached'),
      `: the segments with offsets ${first?.baseOffset} up to ${run?.nextOffset} do not lead up to those after them`,
    )
  }
  if (unsealedEnd !== null) {
    const state = 'it was cut, or abandoned after a failed write and the segment after it is not archived yet'
    await printLine('  ', colors.red('no end'), `: the last segment, ${unsealedEnd.key}, has no seal: ${state}`)
  }
  for (const { path, from, to, reason } of content?.problems ?? []) {
    await printLine('  ', colors.red('damaged'), `: ${path.slice(1)}, bytes ${from}-${to}: ${reason}`)
  }
  for (const { key } of lateUploads) {
    await printLine(`  note: ${key} landed after retention had deleted it; readers ignore it, and retention deletes it`)
  }
  for (const { key } of foreign) await printLine(`  note: ${key} is no segment of the log; it is ignored`)
}

export async function restore(
  { topic, partition }: ArchivedLogName,
  place: string,
  options: ArchiveRestoreOptions,
): Promise<void> {
  const { bytes: maxBytes = Infinity, json = false } = options
  const target = { fs: new NodeFileSystem(), config: { dataDir: dataDirOf(options) } }
  const restored = await withStore(place, { readOnly: true }, (store) =>
    restoreLog(store, { topic, partition }, target, { maxBytes }).catch((error: unknown) => {
      throw error instanceof LogNotFoundError ? noLog({ topic, partition }) : error
    }),
  )
  if (json) return writeJson(restored)
  const { logStartOffset, logEndOffset, segments, bytes } = restored
  const got = segments === 0 ? 'nothing downloaded' : `${counted(segments, 'segment')} restored, ${formatBytes(bytes)}`
  const offsets = logStartOffset === logEndOffset ? '' : `, offsets ${logStartOffset}-${logEndOffset - 1n}`
  await printLine(`${topic}/${partition}: ${got}${offsets}; the next record gets offset ${logEndOffset}`)
}

export async function retain(log: ArchivedLogName, place: string, options: ArchiveRetainOptions): Promise<void> {
  const { bytes, age, before, trustClock, yes = false, json = false } = options
  const policy = { maxTotalBytes: bytes, maxAgeMs: age, belowOffset: before, trustClock }
  const nowMs = new SystemClock().now()
  const deletion = await withStore(place, { readOnly: !yes }, (store) =>
    deleteArchived(store, log, { policy, nowMs, dryRun: !yes }),
  )
  if (json) return writeJson({ done: yes, ...deletion })
  const deleted = [...deletion.lateUploads, ...deletion.segments]
  if (deleted.length === 0) return printLine('these limits delete no segment')
  await writeSegments(deleted)
  const amount = `${counted(deleted.length, 'segment')}, ${formatBytes(sizeOf(deleted))}`
  await printLine()
  await printLine(yes ? `deleted ${amount}` : `would delete ${amount}; nothing was changed, add --yes to delete`)
}
