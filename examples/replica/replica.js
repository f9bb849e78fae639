/**
 * The replica: finds the last batch that it has in common with the leader, drops what is after it, and appends what the
 * leader sends, as it is.
 */
import { Connection } from './connection.js'
import { MAX_LEADER_FRAME_BYTES, ProtocolError, unexpected } from './wire.js'

/** @typedef {import('./log.js').Log} Log */
/** @typedef {import('./wire.js').LeaderMessage} LeaderMessage */

/** With more than this waiting for the next write, no more is read from the connection. */
const MAX_GATHERED_BYTES = 4 * 1024 * 1024

/** The log has batches of a later leader, so this one has been replaced, and nothing of it may be taken. */
export class StaleLeaderError extends Error {
  /** @override */
  name = 'StaleLeaderError'
}

/**
 * Replicates a leader's log until the connection ends. Resolves if the leader ended it, and rejects with the reason
 * otherwise; call it again with a new connection in both cases. Nothing is being appended any more when it settles.
 *
 * @param {Log} log
 * @param {import('node:stream').Duplex} stream
 * @param {(endOffset: bigint) => void} [onDurable] called when records are durable here, before the leader is told
 */
export async function replicate(log, stream, onDurable = () => {}) {
  const connection = new Connection(stream, { maxFrameBytes: MAX_LEADER_FRAME_BYTES })
  try {
    const leader = await connection.receive()
    if (leader.type !== 'leader') throw unexpected(leader)
    if (leader.startOffset > leader.endOffset) throw new ProtocolError('the log of the leader ends before it begins')
    const epoch = await log.lastEpoch()
    if (leader.epoch < epoch) {
      throw new StaleLeaderError(`the leader is of epoch ${leader.epoch}, and the log has batches of epoch ${epoch}`)
    }
    await matchLeader(log, leader, connection)
    await connection.send({ type: 'start', offset: log.endOffset })
    onDurable(log.endOffset)
    await appendAll(log, connection, onDurable)
  } finally {
    connection.close()
  }
}

/**
 * Makes the log a beginning of the leader's: drops what only this log has. If they have nothing in common, the log
 * continues, empty, where the leader's begins.
 *
 * @param {Log} log
 * @param {LeaderMessage} leader
 * @param {Connection} connection
 */
async function matchLeader(log, leader, connection) {
  const { startOffset, endOffset } = leader
  const isEmpty = (await log.startOffset()) === log.endOffset
  if (isEmpty && startOffset <= log.endOffset && log.endOffset <= endOffset) return
  const common = await lastCommonOffset(log, leader, connection)
  if (common === null) await log.writer.resetTo(startOffset)
  else if (common < log.endOffset) await log.writer.truncate(common)
}

/**
 * The offset after the last batch that both logs have; null if there is none. A batch holds the epoch of the leader
 * that appended it, and every log that has it has the same batches before it as that leader. So if a batch is the same,
 * all before it are, and if it is not, none after it is: the last batch is compared first, and then the range is
 * halved. Of a batch that one of the logs has only in part, because records were deleted, that part is compared.
 *
 * @param {Log} log
 * @param {LeaderMessage} leader
 * @param {Connection} connection
 */
async function lastCommonOffset(log, leader, connection) {
  const startOffset = await log.startOffset()
  const first = startOffset > leader.startOffset ? startOffset : leader.startOffset
  let low = first
  let high = log.endOffset < leader.endOffset ? log.endOffset : leader.endOffset
  let common = null
  for (let offset = high - 1n; low < high; offset = (low + high) / 2n) {
    const whole = await log.batchAt(offset)
    const batch = whole.baseOffset < first ? whole.slice({ from: first, to: whole.nextOffset }) : whole
    await connection.send({ type: 'compare', batch })
    const answer = await connection.receive()
    if (answer.type !== 'compared') throw unexpected(answer)
    if (answer.same) common = low = batch.nextOffset
    else high = batch.baseOffset
  }
  return common
}

/**
 * Appends the batches that the leader sends, and tells it how far they are durable. What arrives while the disk writes
 * is gathered, and shares the next write. Resolves when the leader ends the connection and all is appended.
 *
 * @param {Log} log
 * @param {Connection} connection
 * @param {(endOffset: bigint) => void} onDurable
 */
async function appendAll(log, connection, onDurable) {
  /** @type {import('@sq/storage').EncodedBatch[]} */
  let gathered = []
  let gatheredBytes = 0
  /** @type {Promise<void> | null} */
  let appending = null
  async function append() {
    while (gathered.length > 0) {
      const batches = gathered
      gathered = []
      gatheredBytes = 0
      await log.writer.appendEncoded(batches)
      const { endOffset } = log
      onDurable(endOffset)
      await connection.send({ type: 'durable', endOffset })
    }
    appending = null
  }
  try {
    for await (const message of connection.messages) {
      if (message.type !== 'batch') throw unexpected(message)
      gathered.push(message.batch)
      gatheredBytes += message.batch.bytes.length
      // If it fails, the connection is closed, and with it the iteration.
      appending ??= append().catch((error) => connection.close(error))
      if (gatheredBytes > MAX_GATHERED_BYTES) await appending
    }
  } finally {
    await appending
  }
}
