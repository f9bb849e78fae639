/** Times as people and programs write them. */

const ISO_8601 = /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?<zone>Z|[+-]\d{2}:?\d{2})?)?$/

/** Milliseconds since 1970 of an ISO 8601 date or time; in UTC where it names no zone. Null for anything else. */
export function parseTime(text: string): number | null {
  const match = ISO_8601.exec(text)
  if (match === null) return null
  const isDate = text.length === 10
  const timestampMs = Date.parse(isDate || match.groups?.['zone'] !== undefined ? text : `${text}Z`)
  return timestampMs >= 0 ? timestampMs : null
}
