/** The logs of this process as metrics of OpenTelemetry. */
import { limitGauges, logGauges, onEvent, timeSyncs } from './log-metrics.js'

/** @typedef {import('@opentelemetry/api').Meter} Meter */
/** @typedef {import('./log-metrics.js').Source} Source */

const inSeconds = {
  unit: 's',
  advice: { explicitBucketBoundaries: Array.from({ length: 14 }, (_, n) => 2 ** n / 1e4) },
}

/**
 * Call it once. It returns the file system to open the logs on.
 *
 * @param {Meter} meter
 * @param {Source} source
 */
export function exportToOpenTelemetry(meter, { fs, writers, limits }) {
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
  for (const { name, help, isBytes, of } of logGauges) {
    gauge(meter, { name, help, isBytes }).addCallback((result) => {
      for (const [log, writer] of writers) result.observe(of(writer), { ...log })
    })
  }
  for (const { name, help, isBytes, of } of limitGauges) {
    gauge(meter, { name, help, isBytes }).addCallback((result) => result.observe(of(limits)))
  }
  return timeSyncs(fs, (seconds) => syncs.record(seconds))
}

/**
 * @param {Meter} meter
 * @param {{ name: string, help: string, isBytes?: true | undefined }} gauge
 */
function gauge(meter, { name, help, isBytes }) {
  return meter.createObservableGauge(`sq.wal.${name}`, { description: help, unit: isBytes ? 'By' : '' })
}
