/** The logs of this process as metrics for Prometheus. */
import { Counter, exponentialBuckets, Gauge, Histogram } from 'prom-client'
import { limitGauges, logGauges, onEvent, timeSyncs } from './log-metrics.js'

/** @typedef {import('prom-client').Registry} Registry */
/** @typedef {import('./log-metrics.js').Source} Source */

const labelNames = ['topic', 'partition']
const buckets = exponentialBuckets(0.0001, 2, 14) // 0.1 ms to 0.8 s

/**
 * Call it once. It returns the file system to open the logs on.
 *
 * @param {Registry} registry
 * @param {Source} source
 */
export function exportToPrometheus(registry, { fs, writers, limits }) {
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
  for (const { name, help, isBytes, of } of logGauges) {
    const collect = /** @this {Gauge} */ function () {
      this.reset() // a log that was closed is not shown
      for (const [log, writer] of writers) this.set({ ...log }, of(writer))
    }
    registry.registerMetric(new Gauge({ name: named(name, isBytes), help, labelNames, registers: [], collect }))
  }
  for (const { name, help, isBytes, of } of limitGauges) {
    const collect = /** @this {Gauge} */ function () {
      this.set(of(limits))
    }
    registry.registerMetric(new Gauge({ name: named(name, isBytes), help, registers: [], collect }))
  }
  return timeSyncs(fs, (seconds) => syncs.observe(seconds))
}

/**
 * @param {string} name
 * @param {true | undefined} isBytes
 */
function named(name, isBytes) {
  return `sq_wal_${name}${isBytes ? '_bytes' : ''}`
}
