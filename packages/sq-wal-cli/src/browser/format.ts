/** Numbers, sizes and times as text: as the command prints them, times in UTC. */

export function count(value: number): string {
  return value.toLocaleString('en-US')
}

/** `1.5 MB`, in powers of a thousand, with three digits. */
export function bytes(value: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']
  let [rest, unit] = [value, 0]
  while (rest >= 999.5 && unit < units.length - 1) {
    rest /= 1000
    unit++
  }
  return unit === 0 ? `${Math.round(rest)} B` : `${rest.toPrecision(3)} ${units[unit]}`
}

/** `2026-11-22 20:57:52.123Z`, or a dash for null. */
export function time(timestampMs: number | null): string {
  if (timestampMs === null) return '-'
  const date = new Date(timestampMs)
  return Number.isNaN(date.getTime()) ? String(timestampMs) : date.toISOString().replace('T', ' ')
}

/** Without what is the same on an axis of this length: `20:57` on one of hours. */
export function shortTime(timestampMs: number, spanMs: number): string {
  const text = time(timestampMs)
  if (spanMs < 60_000) return text.slice(11, 23)
  if (spanMs < 2 * 86_400_000) return text.slice(11, spanMs < 3_600_000 ? 19 : 16)
  return text.slice(0, 10)
}

export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 120_000) return `${Math.round(ms / 100) / 10} s`
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`
  if (ms < 172_800_000) return `${Math.round(ms / 3_600_000)} h`
  return `${count(Math.round(ms / 86_400_000))} days`
}

/** `1 record`, `2,000 records`. */
export function counted(value: number, what: string): string {
  return `${count(value)} ${what}${value === 1 ? '' : 's'}`
}

export function offsets(first: number | null, last: number | null): string {
  if (first === null) return '-'
  return last === null ? `${first} on` : last < first ? 'none' : first === last ? String(first) : `${first}-${last}`
}
