/** The names of a log: the rules for topic and partition, and the directory that they lead to. */
import { join } from 'node:path'
import { show } from '../../config.ts'

const MAX_TOPIC_LENGTH = 249
const MAX_PARTITION = 0xffff_ffff

/** One partition of one topic, and the directory of its segments. */
export interface Partition {
  readonly topic: string
  readonly partition: number
  /** `{dataDir}/{topic}/{partition}` */
  readonly directory: string
}

/**
 * Checks topic and partition before they become part of a path. A topic follows the rule of Kafka: 1 to 249 of
 * `[A-Za-z0-9._-]`, and not `.` or `..`. A partition is a whole number from 0 to 2^32 - 1. Throws a `TypeError` or
 * `RangeError`.
 */
export function locatePartition(dataDir: string, topic: string, partition: number): Partition {
  if (typeof topic !== 'string') throw new TypeError(`topic must be a string, not ${show(topic)}`)
  if (topic.length < 1 || topic.length > MAX_TOPIC_LENGTH) {
    throw new RangeError(`topic must have 1 to ${MAX_TOPIC_LENGTH} characters, not ${topic.length}: ${show(topic)}`)
  }
  if (!/^[A-Za-z0-9._-]+$/.test(topic) || topic === '.' || topic === '..') {
    throw new RangeError(`topic must be made of A-Z a-z 0-9 . _ - and not be "." or "..": ${show(topic)}`)
  }
  if (typeof partition !== 'number') throw new TypeError(`partition must be a number, not ${show(partition)}`)
  if (!Number.isInteger(partition) || partition < 0 || partition > MAX_PARTITION) {
    throw new RangeError(`partition must be a whole number from 0 to ${MAX_PARTITION}: ${partition}`)
  }
  return { topic, partition, directory: join(dataDir, topic, String(partition)) }
}
