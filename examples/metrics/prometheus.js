/** The logs of this process as metrics for Prometheus. */
import { Counter, exponentialBuckets, Gauge, Histogram } from 'prom-client'
import { onEvent, timeSyncs } from './log-metrics.js'

/** @typedef {import('prom-client').Registry} Registry */
/** @typedef {import('./log-metrics.js').FileSystem} FileSystem */
/** @typedef {import('./log-metrics.js').WalWriter} WalWriter */

const labelNames = ['topic', 'partition']
const buckets = exponentialBuckets(0.0001, 2, 14) // 0.1 ms to 0.8 s

/**
 * Call it once. It returns the file system to open the logs on.
 *
 * @param {Registry} registry
 * @param {{ fs: FileSystem, writers: Iterable<[{ topic: string, partition: number }, WalWriter]> }} source
 */
export function exportToPrometheus(registry, { fs, writers }) {
  const registers = [registry]
  const commits = new Histogram({ name: 'sq_wal_commit_seconds', help: 'Commits', labelNames, buckets, registers })
  const syncs = new Histogram({ name: 'sq_wal_sync_seconds', help: 'Durable writes', buckets, registers })
  const records = new Counter({ name: 'sq_wal_records_total', help: 'Durable records', labelNames, registers })
  const failed = new Counter({ name: 'sq_wal_failed_commits_total', help: 'Failed commits', labelNames, registers })
  const abandoned = new Counter({ name: 'sq_wal_abandoned_total', help: 'Abandoned segments', labelNames, registers })
  onEvent('sq:wal:commit', ({ topic, partition, records: count, durationMs, error }) => {
    const labels = { topic, partition }
    commits.observe(labels, durationMs / 1000)
    if (error === null) records.inc(labels, count)
    else failed.inc(labels)
  })
  onEvent('sq:wal:abandon', ({ topic, partition }) => abandoned.inc({ topic, partition }))
  const pending = new Gauge({
    name: 'sq_wal_pending_bytes',
    help: 'Bytes that wait to be durable',
    labelNames,
    registers: [],
    collect() {
      for (const [log, writer] of writers) this.set({ ...log }, writer.stats().pendingBytes)
    },
  })
  registry.registerMetric(pending)
  return timeSyncs(fs, (seconds) => syncs.observe(seconds))
}
