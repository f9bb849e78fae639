/** The logs of this process as metrics of OpenTelemetry. */
import { onEvent, timeSyncs } from './log-metrics.js'

/** @typedef {import('@opentelemetry/api').Meter} Meter */
/** @typedef {import('./log-metrics.js').FileSystem} FileSystem */
/** @typedef {import('./log-metrics.js').WalWriter} WalWriter */

const inSeconds = {
  unit: 's',
  advice: { explicitBucketBoundaries: Array.from({ length: 14 }, (_, n) => 2 ** n / 1e4) },
}

/**
 * Call it once. It returns the file system to open the logs on.
 *
 * @param {Meter} meter
 * @param {{ fs: FileSystem, writers: Iterable<[{ topic: string, partition: number }, WalWriter]> }} source
 */
export function exportToOpenTelemetry(meter, { fs, writers }) {
  const commits = meter.createHistogram('sq.wal.commit.duration', inSeconds)
  const syncs = meter.createHistogram('sq.wal.sync.duration', inSeconds)
  const records = meter.createCounter('sq.wal.records')
  const failed = meter.createCounter('sq.wal.failed_commits')
  const abandoned = meter.createCounter('sq.wal.abandoned_segments')
  onEvent('sq:wal:commit', ({ topic, partition, records: count, durationMs, error }) => {
    const attributes = { topic, partition }
    commits.record(durationMs / 1000, attributes)
    if (error === null) records.add(count, attributes)
    else failed.add(1, attributes)
  })
  onEvent('sq:wal:abandon', ({ topic, partition }) => abandoned.add(1, { topic, partition }))
  meter.createObservableGauge('sq.wal.pending', { unit: 'By' }).addCallback((result) => {
    for (const [log, writer] of writers) result.observe(writer.stats().pendingBytes, { ...log })
  })
  return timeSyncs(fs, (seconds) => syncs.record(seconds))
}
