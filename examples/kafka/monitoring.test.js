/** What an operator sees of a broker that starts, works, has a failing disk, and stops. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InMemoryObjectStore } from '@sq/archive/memory'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { SharedLimits } from '@sq/storage'
import { BrokerFixture } from './broker-fixture.js'
import { Monitoring } from './monitoring.js'
import { ERROR } from './protocol/errors.js'
import { batchOf } from './protocol/test-batch.js'

test('a broker is healthy while it serves and no last write of a log has failed, and its metrics say what it did', async () => {
  const limits = new SharedLimits({ maxPendingBytes: 1_000_000 })
  const archive = new InMemoryObjectStore()
  const kafka = new BrokerFixture(new InMemoryFileSystem(), { limits, archive })
  const monitoring = new Monitoring(kafka.fs, limits)
  const health = async () => {
    const { status, body } = await monitoring.answer('/health')
    return `${status} ${body}`
  }
  assert.equal(await health(), '503 the broker starts\n')

  await kafka.open(monitoring.fs)
  monitoring.serves(kafka.broker, { stats: () => ({ connections: 3, requestBytes: 7, answerBytes: 9 }) })
  assert.equal(await health(), '200 ok\n')

  await kafka.create('monitored')
  const { Produce } = monitoring.timed(kafka.broker.handlers)
  const partitionData = [{ index: 0, records: batchOf('abc', { recordCount: 3 }) }]
  const topicData = [{ name: 'monitored', partitionData }]
  await Produce({ transactionalId: null, acks: -1, timeoutMs: 0, topicData }, kafka.context())
  kafka.fs.faults.failNext('sync', 'EIO')
  assert.deepEqual(await kafka.produce('monitored', 0, batchOf('d')), [ERROR.KAFKA_STORAGE_ERROR, -1n])
  assert.match(await health(), /^503 the last write to monitored\/0 failed: .*EIO/)
  await kafka.produce('monitored', 0, batchOf('d'))
  assert.equal(await health(), '200 ok\n')
  await kafka.commit('g', 'monitored', 2n)

  const { status, body } = await monitoring.answer('/metrics')
  assert.equal(status, 200)
  const log = '{topic="monitored",partition="0"}'
  for (const line of [
    `sq_wal_records_total${log} 4`,
    `sq_wal_failed_commits_total${log} 1`,
    `sq_wal_log_end_offset${log} 4`,
    `sq_wal_max_all_pending_bytes 1000000`,
    `sq_kafka_request_seconds_count{call="Produce"} 1`,
    `sq_kafka_connections 3`,
    `sq_kafka_request_memory_bytes 7`,
    `sq_kafka_answer_memory_bytes 9`,
    `sq_kafka_unarchived_bytes 0`,
    `sq_kafka_archive_retries 0`,
    `sq_kafka_committed_offset{group="g",topic="monitored",partition="0"} 2`,
  ]) {
    assert.ok(body.split('\n').includes(line), `${line} is missing in\n${body}`)
  }
  assert.match(body, /^sq_wal_sync_seconds_count [1-9]/m)
  // The logs of the broker have names that no topic has.
  assert.match(body, /^sq_wal_records_total\{topic="__catalogue",partition="0"\} [1-9]/m)
  assert.match(body, /^sq_wal_records_total\{topic="__committed-offsets",partition="0"\} 1$/m)
  for (const name of ['__catalogue', '__committed-offsets']) {
    assert.equal(await kafka.create(name), ERROR.INVALID_TOPIC_EXCEPTION)
  }

  monitoring.stops()
  assert.equal(await health(), '503 the broker stops\n')
  assert.equal((await monitoring.answer('/')).status, 404)
})
