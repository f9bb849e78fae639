/** Both exporters, on a disk that fails once: what they show is what the log did. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AggregationTemporality, InMemoryMetricExporter, MeterProvider } from '@opentelemetry/sdk-metrics'
import { PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { SharedLimits, WalWriter } from '@sq/storage'
import { Registry } from 'prom-client'
import { exportToOpenTelemetry } from './opentelemetry.js'
import { exportToPrometheus } from './prometheus.js'

/** @typedef {[{ topic: string, partition: number }, WalWriter]} OpenLog */

const limits = new SharedLimits({ maxPendingBytes: 256 * 1024 * 1024 }) // of all logs together

/**
 * Two records in a commit, a commit that fails, and one record after it; the first is deleted; and one record waits.
 *
 * @param {InMemoryFileSystem} disk
 * @param {import('@sq/sim').FileSystem} fs
 * @param {OpenLog[]} writers
 * @param {string} topic
 */
async function live(disk, fs, writers, topic) {
  const writer = await WalWriter.open(fs, { dataDir: '/data' }, topic, 0, { limits })
  writers.push([{ topic, partition: 0 }, writer])
  const append = () => writer.append(null, Buffer.from('paid'), [], 1)
  await Promise.all([append(), append()])
  disk.faults.failNext('sync', 'EIO')
  await assert.rejects(append())
  await append()
  await writer.deleteRecords(1n)
  const held = disk.faults.hold('sync')
  const waiting = append()
  await held.reached
  return { end: async () => (held.release(), await waiting, await writer.close()) }
}

test('Prometheus gets commits, syncs, failures and what waits', async () => {
  const disk = new InMemoryFileSystem()
  /** @type {OpenLog[]} */
  const writers = []
  const registry = new Registry()
  const fs = exportToPrometheus(registry, { fs: disk, writers, limits })
  const { end } = await live(disk, fs, writers, 'prometheus')
  const shown = await registry.metrics()
  await end()
  const log = '{topic="prometheus",partition="0"}'
  assert.match(shown, new RegExp(`^sq_wal_records_total${log} 3$`, 'm'))
  assert.match(shown, new RegExp(`^sq_wal_commit_seconds_count${log} 3$`, 'm'))
  assert.match(shown, new RegExp(`^sq_wal_failed_commits_total${log} 1$`, 'm'))
  assert.match(shown, new RegExp(`^sq_wal_abandoned_total${log} 1$`, 'm'))
  assert.match(shown, new RegExp(`^sq_wal_pending_bytes${log} [1-9]`, 'm'))
  assert.match(shown, /^sq_wal_sync_seconds_count [1-9]/m)
  assert.match(shown, new RegExp(`^sq_wal_log_start_offset${log} 1$`, 'm'))
  assert.match(shown, new RegExp(`^sq_wal_log_end_offset${log} 3$`, 'm'))
  assert.match(shown, new RegExp(`^sq_wal_segments${log} 2$`, 'm'))
  assert.match(shown, new RegExp(`^sq_wal_disk_bytes${log} [1-9]`, 'm'))
  assert.match(shown, /^sq_wal_all_pending_bytes [1-9]/m)
  assert.match(shown, /^sq_wal_max_all_pending_bytes 268435456$/m)
})

test('OpenTelemetry gets commits, syncs, failures and what waits', async () => {
  const disk = new InMemoryFileSystem()
  /** @type {OpenLog[]} */
  const writers = []
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })
  const meter = new MeterProvider({ readers: [reader] }).getMeter('test')
  const { end } = await live(
    disk,
    exportToOpenTelemetry(meter, { fs: disk, writers, limits }),
    writers,
    'opentelemetry',
  )
  await reader.forceFlush()
  await end()
  await reader.shutdown()
  const exported = exporter.getMetrics()[0]?.scopeMetrics.flatMap(({ metrics }) => metrics) ?? []
  /** @param {string} name */
  const points = (name) => {
    const found = exported.find(({ descriptor }) => descriptor.name === name)?.dataPoints ?? []
    return found.filter(({ attributes }) => (attributes['topic'] ?? 'opentelemetry') === 'opentelemetry')
  }
  /** @param {string} name */
  const values = (name) => points(name).map(({ value }) => (typeof value === 'number' ? value : value.count))
  assert.deepEqual(values('sq.wal.records'), [3])
  assert.deepEqual(values('sq.wal.commit.duration'), [3])
  assert.deepEqual(values('sq.wal.failed_commits'), [1])
  assert.deepEqual(values('sq.wal.abandoned_segments'), [1])
  assert.ok(Number(values('sq.wal.pending')[0]) > 0)
  assert.ok(Number(values('sq.wal.sync.duration')[0]) > 0)
  assert.deepEqual(values('sq.wal.log_start_offset'), [1])
  assert.deepEqual(values('sq.wal.log_end_offset'), [3])
  assert.deepEqual(values('sq.wal.segments'), [2])
  assert.ok(Number(values('sq.wal.disk')[0]) > 0)
  assert.ok(Number(values('sq.wal.all_pending')[0]) > 0)
  assert.deepEqual(values('sq.wal.max_all_pending'), [268_435_456])
})
