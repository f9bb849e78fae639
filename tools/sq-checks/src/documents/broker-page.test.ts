/** The code of `docs/building-a-broker.md`, word for word, on a disk in memory. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { EventEmitter, once } from 'node:events'
import { InMemoryFileSystem } from '@sq/sim/memory'
import type { FileSystem } from '@sq/sim'
import {
  AppendFailedError,
  BacklogFullError,
  deleteLog,
  listPartitions,
  LockedError,
  LogNotFoundError,
  OffsetOutOfRangeError,
  RecordBatch,
  SharedLimits,
  verify,
  WalReader,
  WalWriter,
} from '@sq/storage'
import type { EncodedBatch, FetchResult, RecordInput, WalEvents } from '@sq/storage'
import { expect, onTestFinished, test } from 'vitest'

const config = { dataDir: '/data' }

function records(...values: string[]): RecordInput[] {
  return values.map((value) => ({ value: Buffer.from(value), timestampMs: 1 }))
}

async function openLog(fs: FileSystem, dataDir = '/data'): Promise<{ writer: WalWriter; reader: WalReader }> {
  const writer = await WalWriter.open(fs, { dataDir }, 'orders', 0)
  return { writer, reader: await WalReader.open(fs, { dataDir }, 'orders', 0) }
}

async function valuesIn(reader: WalReader): Promise<string[]> {
  const values: string[] = []
  for await (const { value } of reader.read()) values.push(String(value))
  return values
}

function valuesOf({ batches }: FetchResult): string[] {
  return batches.flatMap((batch) => batch.records().map(({ value }) => String(value)))
}

async function openAll(fs: FileSystem): Promise<Map<string, WalWriter>> {
  const limits = new SharedLimits({ maxPendingBytes: 256 * 1024 * 1024 }) // of all logs together
  const writers = new Map<string, WalWriter>()
  for (const { topic, partition, error } of await listPartitions(fs, config)) {
    if (partition === null || error !== undefined) throw new Error(`a log of ${topic} cannot be read`, { cause: error })
    writers.set(`${topic}/${partition}`, await WalWriter.open(fs, config, topic, partition, { create: false, limits }))
  }
  return writers
}

test('every log that exists is opened', async () => {
  const fs = new InMemoryFileSystem()
  for (const partition of [0, 1]) await (await WalWriter.open(fs, config, 'orders', partition)).close()
  expect([...(await openAll(fs)).keys()]).toEqual(['orders/0', 'orders/1'])
  await expect(WalWriter.open(fs, config, 'orders', 0)).rejects.toThrow(LockedError)
  await expect(WalWriter.open(fs, config, 'absent', 0, { create: false })).rejects.toThrow(LogNotFoundError)
})

async function produce(writer: WalWriter, batch: RecordInput[]): Promise<bigint | 'overloaded' | 'not stored'> {
  try {
    return await writer.appendBatch(batch) // durable: acknowledge with this base offset
  } catch (error) {
    if (error instanceof BacklogFullError) return 'overloaded' // nothing was written; the client must slow down
    if (error instanceof AppendFailedError) return 'not stored' // the disk failed; the client may send it again
    throw error
  }
}

test('a producer gets the offset, or learns that it must slow down or that the disk has failed', async () => {
  const fs = new InMemoryFileSystem()
  const writer = await WalWriter.open(fs, { ...config, maxPendingBytes: 200 }, 'orders', 0)
  const both = [produce(writer, records('paid', 'sent')), produce(writer, records('x'.repeat(200)))]
  expect(await Promise.all(both)).toEqual([0n, 'overloaded'])
  fs.faults.failNext('sync', 'EIO')
  expect(await produce(writer, records('lost'))).toBe('not stored')
  expect(await produce(writer, records('again'))).toBe(2n)
})

async function produceAll(
  writer: WalWriter,
  batches: AsyncIterable<RecordInput[]>,
  signal: AbortSignal,
): Promise<void> {
  for await (const batch of batches) {
    await writer.ready({ signal }) // reads no more from the client until there is room
    writer.appendBatch(batch).then(acknowledge, refuse)
  }
}

async function* fiveBatches(): AsyncGenerator<RecordInput[]> {
  for (let sent = 0; sent < 5; sent++) yield records('x'.repeat(100))
}

const answers: string[] = []
const acknowledge = (baseOffset: bigint): number => answers.push(String(baseOffset))
const refuse = (error: unknown): number => answers.push(String(error))

test('a connection is read only as fast as the disk takes its batches', async () => {
  const writer = await WalWriter.open(new InMemoryFileSystem(), { ...config, maxPendingBytes: 200 }, 'orders', 0)
  await produceAll(writer, fiveBatches(), new AbortController().signal)
  await writer.close()
  expect(answers).toEqual(['0', '1', '2', '3', '4'])
})

/** What a broker knows of a producer: its last batch that is durable. */
interface Producer {
  sequence: number
  baseOffset: bigint
}

function encodeMetadata(producerId: bigint, sequence: number): Buffer {
  const metadata = Buffer.alloc(12)
  metadata.writeBigUInt64LE(producerId, 0)
  metadata.writeUInt32LE(sequence, 8)
  return metadata
}

interface IdempotentRequest {
  producerId: bigint
  sequence: number
  batch: RecordInput[]
}

class IdempotentAppends {
  readonly #writer: WalWriter
  readonly #producers: Map<bigint, Producer>
  readonly #turns = new Map<bigint, Promise<unknown>>()

  constructor(writer: WalWriter, producers: Map<bigint, Producer>) {
    this.#writer = writer
    this.#producers = producers
  }

  /** The requests of one producer take turns, so that each is checked against what is durable. */
  append(request: IdempotentRequest): Promise<bigint> {
    const before = this.#turns.get(request.producerId)
    const appended = Promise.allSettled([before]).then(() => this.#append(request))
    this.#turns.set(request.producerId, appended)
    return appended
  }

  async #append({ producerId, sequence, batch }: IdempotentRequest): Promise<bigint> {
    const last = this.#producers.get(producerId)
    if (last?.sequence === sequence) return last.baseOffset // a retry of what is durable
    const expected = (last?.sequence ?? -1) + 1
    if (sequence !== expected) throw new RangeError(`expected sequence ${expected}, found ${sequence}`)
    const metadata = encodeMetadata(producerId, sequence)
    const baseOffset = await this.#writer.appendBatch(batch, { metadata })
    this.#producers.set(producerId, { sequence, baseOffset })
    return baseOffset
  }
}

class PipelinedAppends {
  readonly #writer: WalWriter
  /** The sequence that each producer must send next. */
  readonly #expected = new Map<bigint, number>()
  #inFlight = 0
  /** Where the log ends if none of the appends in flight fails. */
  #end: bigint

  constructor(writer: WalWriter) {
    this.#writer = writer
    this.#end = writer.nextOffset
  }

  async append({ producerId, sequence, batch }: IdempotentRequest): Promise<bigint> {
    const { nextOffset, pendingRecords } = this.#writer.stats()
    const end = nextOffset + BigInt(pendingRecords)
    if (end < this.#end) throw new Error('an append has failed, and its producer may not know it yet: try again')
    const expected = this.#expected.get(producerId) ?? 0
    if (sequence !== expected) throw new RangeError(`expected sequence ${expected}, found ${sequence}`)
    this.#expected.set(producerId, sequence + 1)
    this.#inFlight++
    this.#end = end + BigInt(batch.length)
    try {
      return await this.#writer.appendBatch(batch, { metadata: encodeMetadata(producerId, sequence) })
    } catch (error) {
      const next = this.#expected.get(producerId) ?? 0
      this.#expected.set(producerId, Math.min(next, sequence)) // it must send this one again, and all after it
      throw error
    } finally {
      if (--this.#inFlight === 0) this.#end = this.#writer.nextOffset
    }
  }
}

async function readProducers(reader: WalReader): Promise<Map<bigint, Producer>> {
  const producers = new Map<bigint, Producer>()
  for await (const { metadata, baseOffset } of reader.readBatches()) {
    if (metadata === null) continue
    const fields = Buffer.from(metadata)
    producers.set(fields.readBigUInt64LE(0), { sequence: fields.readUInt32LE(8), baseOffset })
  }
  return producers
}

test('a batch that is sent twice is stored once, also after a restart', async () => {
  const fs = new InMemoryFileSystem()
  const { writer, reader } = await openLog(fs)
  const first = { producerId: 7n, sequence: 0, batch: records('paid') }
  const second = { producerId: 7n, sequence: 1, batch: records('sent') }
  const before = new IdempotentAppends(writer, await readProducers(reader))
  expect(await Promise.all([first, first, second].map((request) => before.append(request)))).toEqual([0n, 0n, 1n])
  fs.crash()
  const again = await openLog(fs)
  const after = new IdempotentAppends(again.writer, await readProducers(again.reader))
  expect(await after.append(second)).toBe(1n)
  await expect(after.append({ ...second, sequence: 3 })).rejects.toThrow('expected sequence 2, found 3')
  expect(await valuesIn(again.reader)).toEqual(['paid', 'sent'])
})

function numbered(sequence: number): IdempotentRequest {
  return { producerId: 7n, sequence, batch: records(`batch ${sequence}`) }
}

test('batches in flight leave no gap in the sequence of a producer when an append fails', async () => {
  const fs = new InMemoryFileSystem()
  const { writer, reader } = await openLog(fs)
  const appends = new PipelinedAppends(writer)
  const sent = [0, 1].map((sequence) => appends.append(numbered(sequence)))
  expect(await Promise.all(sent)).toEqual([0n, 1n])
  fs.faults.failNext('sync', 'EIO')
  const failures = [2, 3].map((sequence) => appends.append(numbered(sequence)))
  // The event comes when the commit has failed and its producers do not know it yet.
  const between = new Promise((resolve, reject) => {
    const listener = (message: unknown): void => {
      const { error } = message as WalEvents['sq:wal:commit']
      if (error !== null) appends.append(numbered(4)).then(resolve, reject)
    }
    subscribe('sq:wal:commit', listener)
    onTestFinished(() => void unsubscribe('sq:wal:commit', listener))
  })
  const told = await Promise.allSettled([...failures, between])
  expect(told.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
  await expect(appends.append(numbered(4))).rejects.toThrow('expected sequence 2, found 4')
  expect(await Promise.all([2, 3].map((sequence) => appends.append(numbered(sequence))))).toEqual([2n, 3n])
  expect(await valuesIn(reader)).toEqual(['batch 0', 'batch 1', 'batch 2', 'batch 3'])
})

async function consume(reader: WalReader, from: bigint): Promise<FetchResult> {
  try {
    return await reader.fetch({ from, maxBytes: 1_048_576, minBytes: 1, maxWaitMs: 500 })
  } catch (error) {
    if (!(error instanceof OffsetOutOfRangeError) || from >= error.firstOffset) throw error
    return reader.fetch({ from: error.firstOffset }) // deleted by retention: go on with what is left
  }
}

test('a consumer gets what is there, and what is left where records were deleted', async () => {
  const { writer, reader } = await openLog(new InMemoryFileSystem())
  await writer.appendBatch(records('paid'))
  await writer.closeActiveSegment()
  await writer.appendBatch(records('sent'))
  const first = await consume(reader, 0n)
  expect(valuesOf(first)).toEqual(['paid', 'sent'])
  const waiting = consume(reader, first.nextOffset)
  await writer.appendBatch(records('lost'))
  expect(valuesOf(await waiting)).toEqual(['lost'])
  await writer.deleteSegments({ belowOffset: 1n })
  expect(valuesOf(await consume(reader, 0n))).toEqual(['sent', 'lost'])
  await expect(consume(reader, 9n)).rejects.toThrow(OffsetOutOfRangeError)
})

function encode({ baseOffset, recordCount, attributes, checksum, bytes }: RecordBatch): Buffer {
  const head = Buffer.alloc(24)
  head.writeBigUInt64LE(baseOffset, 0)
  head.writeUInt32LE(recordCount, 8)
  head.writeUInt32LE(attributes, 12)
  head.writeUInt32LE(checksum, 16)
  head.writeUInt32LE(bytes.length, 20)
  return Buffer.concat([head, bytes])
}

function decode(message: Buffer): RecordBatch {
  return RecordBatch.from({
    baseOffset: message.readBigUInt64LE(0),
    recordCount: message.readUInt32LE(8),
    attributes: message.readUInt32LE(12),
    checksum: message.readUInt32LE(16),
    bytes: message.subarray(24, 24 + message.readUInt32LE(20)),
  })
}

class Replica {
  readonly #writer: WalWriter
  #received: EncodedBatch[] = []

  constructor(writer: WalWriter) {
    this.#writer = writer
  }

  receive(batch: EncodedBatch): void {
    this.#received.push(batch)
  }

  /** Appends what has arrived in one write. Resolves with the offset to report to the leader. */
  async store(): Promise<bigint> {
    const batches = this.#received
    this.#received = []
    return this.#writer.appendEncoded(batches)
  }
}

test('a replica has the batches of its leader, and says how far they are durable', async () => {
  const fs = new InMemoryFileSystem()
  const { writer: leader, reader } = await openLog(fs)
  const { writer, reader: replicaReader } = await openLog(fs, '/replica')
  const replica = new Replica(writer)
  for (const value of ['paid', 'sent']) await leader.appendBatch(records(value))
  for await (const batch of reader.readBatches({ from: writer.nextOffset })) replica.receive(decode(encode(batch)))
  expect(await replica.store()).toBe(2n)
  expect(await valuesIn(replicaReader)).toEqual(['paid', 'sent'])
})

class ReplicatedLog {
  readonly #reader: WalReader
  readonly #confirmed = new Map<string, bigint>()
  readonly #changes = new EventEmitter().setMaxListeners(0)
  #highWatermark = 0n

  constructor(reader: WalReader, replicas: readonly string[]) {
    this.#reader = reader
    for (const replica of replicas) this.#confirmed.set(replica, 0n)
  }

  get highWatermark(): bigint {
    return this.#highWatermark
  }

  /** Everything before the offset is durable there. The leader's own log counts like any other. */
  confirm(replica: string, nextOffset: bigint): void {
    this.#confirmed.set(replica, nextOffset)
    const least = [...this.#confirmed.values()].reduce((low, offset) => (offset < low ? offset : low))
    if (least <= this.#highWatermark) return
    this.#highWatermark = least
    this.#changes.emit('advance')
  }

  /** What is before the high watermark; waits until there is something. */
  async fetch(from: bigint, signal: AbortSignal): Promise<FetchResult> {
    while (from >= this.#highWatermark) await once(this.#changes, 'advance', { signal })
    return this.#reader.fetch({ from, to: this.#highWatermark, signal })
  }
}

test('a consumer sees no record before all replicas have it', async () => {
  const { writer, reader } = await openLog(new InMemoryFileSystem())
  const log = new ReplicatedLog(reader, ['leader', 'replica'])
  const fetched = log.fetch(0n, new AbortController().signal)
  await writer.appendBatch(records('paid', 'sent', 'lost'))
  log.confirm('leader', writer.nextOffset)
  expect(log.highWatermark).toBe(0n)
  log.confirm('replica', 2n)
  expect(valuesOf(await fetched)).toEqual(['paid', 'sent'])
  const stopped = new AbortController()
  const waiting = expect(log.fetch(2n, stopped.signal)).rejects.toMatchObject({ name: 'AbortError' })
  stopped.abort()
  await waiting
})

interface EpochStart {
  epoch: number
  baseOffset: bigint
}

/** Where an epoch ends in a log with these epochs, in order: where the next one begins. */
function endOfEpoch(starts: readonly EpochStart[], epoch: number, nextOffset: bigint): bigint {
  return starts.find((start) => start.epoch > epoch)?.baseOffset ?? nextOffset
}

/** Drops what the leader does not have. `leaderEnd` is the end, at the leader, of the last epoch in this log. */
async function rejoin(writer: WalWriter, leaderStart: bigint, leaderEnd: bigint): Promise<void> {
  const common = leaderEnd < writer.nextOffset ? leaderEnd : writer.nextOffset
  const first = leaderStart > writer.logStartOffset ? leaderStart : writer.logStartOffset
  if (common < first) await writer.resetTo(common < leaderStart ? leaderStart : common) // nothing in common is left
  else if (common < writer.nextOffset) await writer.truncate(common)
}

test('a replica drops what only it has, and begins again where its leader does if it is too far behind', async () => {
  const starts = [
    { epoch: 1, baseOffset: 0n },
    { epoch: 3, baseOffset: 4n },
  ]
  expect([0, 1, 2, 3].map((epoch) => endOfEpoch(starts, epoch, 9n))).toEqual([0n, 4n, 4n, 9n])
  const { writer } = await openLog(new InMemoryFileSystem())
  await writer.appendBatch(records('a', 'b', 'c', 'd', 'e', 'f'))
  await rejoin(writer, 0n, 9n)
  expect(writer.nextOffset).toBe(6n)
  await rejoin(writer, 0n, 4n)
  expect(writer.nextOffset).toBe(4n)
  await rejoin(writer, 100n, 200n)
  expect(writer.nextOffset).toBe(100n)
  await rejoin(writer, 0n, 40n)
  expect(writer.nextOffset).toBe(40n)
})

async function applyRetention(writer: WalWriter, highWatermark: bigint): Promise<bigint[]> {
  const policy = { maxAgeMs: 7 * 86_400_000, maxTotalBytes: 10 * 1024 ** 3, keepFromOffset: highWatermark }
  const deleted = await writer.deleteSegments(policy)
  return deleted.map(({ baseOffset }) => baseOffset)
}

test('retention deletes no segment that is not replicated', async () => {
  const fs = new InMemoryFileSystem()
  const { writer } = await openLog(fs)
  for (const value of ['paid', 'sent']) {
    await writer.appendBatch(records(value))
    await writer.closeActiveSegment()
  }
  expect(await applyRetention(writer, 1n)).toEqual([0n])
  expect(await applyRetention(writer, 2n)).toEqual([1n])
})

async function deleteBefore(writer: WalWriter, offset: bigint, highWatermark: bigint): Promise<bigint> {
  await writer.deleteRecords(offset < highWatermark ? offset : highWatermark)
  return writer.logStartOffset
}

test('records are deleted up to an offset, and no further than the high watermark', async () => {
  const { writer, reader } = await openLog(new InMemoryFileSystem())
  await writer.appendBatch(records('paid', 'sent', 'lost'))
  expect(await deleteBefore(writer, 1n, 2n)).toBe(1n)
  expect(await deleteBefore(writer, 3n, 2n)).toBe(2n)
  expect(await valuesIn(reader)).toEqual(['lost'])
})

async function deleteTopic(fs: FileSystem, topic: string, writers: Map<string, WalWriter>): Promise<void> {
  for (const { partition } of await listPartitions(fs, config).then((all) =>
    all.filter((log) => log.topic === topic),
  )) {
    if (partition === null) continue
    await writers.get(`${topic}/${partition}`)?.close()
    writers.delete(`${topic}/${partition}`)
    await deleteLog(fs, config, topic, partition)
  }
}

test('a deleted topic is gone, and no other', async () => {
  const fs = new InMemoryFileSystem()
  for (const topic of ['orders', 'users']) await (await WalWriter.open(fs, config, topic, 0)).close()
  const writers = await openAll(fs)
  await deleteTopic(fs, 'orders', writers)
  expect((await listPartitions(fs, config)).map(({ topic }) => topic)).toEqual(['users'])
  expect([...writers.keys()]).toEqual(['users/0'])
})

async function backUp(fs: FileSystem, writer: WalWriter, dataDir: string): Promise<bigint> {
  const nextOffset = await writer.checkpoint(dataDir)
  const { problems } = await verify(fs, { dataDir }, 'orders', 0)
  if (problems.length > 0) throw new Error(`the backup is damaged: ${problems[0]?.reason}`)
  return nextOffset
}

test('a backup is a log that verifies', async () => {
  const fs = new InMemoryFileSystem()
  const { writer } = await openLog(fs)
  await writer.appendBatch(records('paid', 'sent'))
  expect(await backUp(fs, writer, '/backup/monday')).toBe(2n)
})

interface LogMeasures {
  logStartOffset: bigint
  logEndOffset: bigint
  diskBytes: number
  pendingBytes: number
  failedCommits: number
}

/** Reads no file, so call it as often as the metrics are fetched. */
function measureAll(writers: Map<string, WalWriter>): Map<string, LogMeasures> {
  const measures = new Map<string, LogMeasures>()
  for (const [log, writer] of writers) {
    const { logStartOffset, logEndOffset } = writer
    const { diskBytes, pendingBytes, failedCommits } = writer.stats()
    measures.set(log, { logStartOffset, logEndOffset, diskBytes, pendingBytes, failedCommits })
  }
  return measures
}

/** Calls `observe` with the time of each commit of every log of the process, in milliseconds. */
function timeCommits(observe: (log: string, durationMs: number) => void): void {
  subscribe('sq:wal:commit', (message) => {
    const { topic, partition, durationMs } = message as WalEvents['sq:wal:commit']
    observe(`${topic}/${partition}`, durationMs)
  })
}

test('what an operator sees is what the logs have done', async () => {
  const fs = new InMemoryFileSystem()
  for (const topic of ['orders', 'users']) await (await WalWriter.open(fs, config, topic, 0)).close()
  const writers = await openAll(fs)
  const timed: string[] = []
  timeCommits((log, durationMs) => timed.push(`${log} ${durationMs >= 0}`))
  for (const values of [['paid', 'sent'], ['lost']]) await writers.get('orders/0')?.appendBatch(records(...values))
  await writers.get('orders/0')?.deleteRecords(1n)
  fs.faults.failNext('sync', 'EIO')
  await expect(writers.get('users/0')?.appendBatch(records('new'))).rejects.toThrow(AppendFailedError)
  expect([...measureAll(writers)]).toMatchObject([
    ['orders/0', { logStartOffset: 1n, logEndOffset: 3n, pendingBytes: 0, failedCommits: 0 }],
    ['users/0', { logStartOffset: 0n, logEndOffset: 0n, pendingBytes: 0, failedCommits: 1 }],
  ])
  expect(measureAll(writers).get('orders/0')?.diskBytes).toBeGreaterThan(0)
  expect(timed).toEqual(['orders/0 true', 'orders/0 true', 'users/0 true'])
})

async function shutDown(readers: Iterable<WalReader>, writers: Iterable<WalWriter>): Promise<void> {
  await Promise.all(Array.from(readers, (reader) => reader.close())) // waiting fetches reject with ClosedError
  await Promise.all(Array.from(writers, (writer) => writer.close())) // everything appended so far is durable
}

test('what was appended before a shutdown is there after it', async () => {
  const fs = new InMemoryFileSystem()
  const { writer, reader } = await openLog(fs)
  const appended = writer.appendBatch(records('paid'))
  await shutDown([reader], [writer])
  expect(await appended).toBe(0n)
  expect(await valuesIn((await openLog(fs)).reader)).toEqual(['paid'])
})
