/** Produce: appends the batches of producers, and answers when they are durable. */
import { AppendFailedError, ClosedError, WalIoError } from '@sq/storage'
import { ERROR } from '../protocol/errors.js'
import { checkBatch } from '../protocol/record-batch.js'
import { Refusal } from '../refusal.js'

/** @typedef {import('../protocol/errors.js').ErrorCode} ErrorCode */
/** @typedef {import('../log/topics.js').Topics} Topics */

/**
 * @param {Topics} topics
 * @param {{ maxMessageBytes: number, clock: import('@sq/sim').Clock }} options
 * @returns {import('../protocol/calls.js').Handler<'Produce'>}
 */
export function produceHandler(topics, { maxMessageBytes, clock }) {
  return async ({ acks, transactionalId, topicData }, { version }) => {
    /** @type {(name: string, index: number, records: Buffer | null) => Promise<bigint>} */
    const append = async (name, index, records) => {
      if (transactionalId !== null) throw new Refusal(ERROR.INVALID_REQUEST, 'there are no transactions')
      if (acks < -1 || acks > 1) throw new Refusal(ERROR.INVALID_REQUIRED_ACKS, `there are no acks ${acks}`)
      const partition = topics.partition(name, index)
      return partition.append(checkBatch(records, { version, maxBytes: maxMessageBytes, nowMs: clock.now() }))
    }
    // All are handed to the log before the first await, so that requests in a row keep their order.
    const responses = await Promise.all(
      topicData.map(async ({ name, partitionData }) => ({
        name,
        partitionResponses: await Promise.all(
          partitionData.map(async ({ index, records }) => {
            const [errorCode, baseOffset] = await append(name, index, records).then(
              (offset) => /** @type {const} */ ([ERROR.NONE, offset]),
              (error) => {
                // A producer that wants no answer learns of a failure by the end of the connection.
                if (acks === 0) throw error
                return /** @type {const} */ ([errorCodeOf(error), -1n])
              },
            )
            const logStartOffset = topics.all.get(name)?.[index]?.logStartOffset ?? -1n
            return { index, errorCode, baseOffset, logStartOffset }
          }),
        ),
      })),
    )
    return acks === 0 ? null : { responses }
  }
}

/**
 * What a producer is told of an append that failed. It sends the batch again after a `KAFKA_STORAGE_ERROR`. Throws what
 * is a fault of the program.
 *
 * @param {unknown} error
 * @returns {ErrorCode}
 */
function errorCodeOf(error) {
  if (error instanceof Refusal) return error.errorCode
  if (error instanceof AppendFailedError || error instanceof WalIoError) return ERROR.KAFKA_STORAGE_ERROR
  if (error instanceof ClosedError) return ERROR.NOT_LEADER_OR_FOLLOWER
  throw error
}
