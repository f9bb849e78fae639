/** The template of `--template`, with the fields of kcat. */
import type { LogRecord } from '@sq/storage'
import { UsageError } from '../usage-error.ts'
import type { Formatter, RecordLog } from './formatter.ts'

type Field = (record: LogRecord, log: RecordLog) => string | Uint8Array

const FIELDS: Readonly<Record<string, Field>> = {
  '%': () => '%',
  t: (_record, { topic }) => topic,
  p: (_record, { partition }) => String(partition),
  o: ({ offset }) => String(offset),
  T: ({ timestampMs }) => String(timestampMs),
  k: ({ key }) => key ?? '',
  K: ({ key }) => String(key?.length ?? -1),
  s: ({ value }) => value ?? '',
  S: ({ value }) => String(value?.length ?? -1),
  h: ({ headers }) =>
    Buffer.concat(headers.flatMap(({ key, value }, at) => [Buffer.from(`${at === 0 ? '' : ','}${key}=`), value])),
}

/** The formatter of a template. Throws a `UsageError` for an unknown field or escape. */
export function parseTemplate(template: string): Formatter {
  const parts: (Uint8Array | Field)[] = []
  for (const [part] of template.matchAll(/%.?|[^%]+/gsu)) {
    if (!part.startsWith('%')) {
      parts.push(unescaped(part))
      continue
    }
    const field = FIELDS[part.slice(1)]
    if (field === undefined) {
      const known = Object.keys(FIELDS).map((name) => `%${name}`)
      throw new UsageError(
        `the template has the unknown field ${JSON.stringify(part)}; expected one of ${known.join(' ')}`,
      )
    }
    parts.push(field)
  }
  return function* (record, log) {
    for (const part of parts) yield typeof part === 'function' ? part(record, log) : part
  }
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', 0: '\0', '\\': '\\' }

/** The bytes of a text with escapes. Throws a `UsageError` for an unknown escape. */
export function unescaped(text: string): Buffer {
  const parts = text.matchAll(/\\x[0-9A-Fa-f]{2}|\\.?|[^\\]+/gsu)
  return Buffer.concat(
    [...parts].map(([part]) => {
      if (!part.startsWith('\\')) return Buffer.from(part)
      if (part.length === 4) return Buffer.from(part.slice(2), 'hex')
      const escape = ESCAPES[part.slice(1)]
      if (escape === undefined) {
        throw new UsageError(String.raw`unknown escape ${JSON.stringify(part)}; expected \n, \t, \r, \0, \xHH or \\`)
      }
      return Buffer.from(escape)
    }),
  )
}
