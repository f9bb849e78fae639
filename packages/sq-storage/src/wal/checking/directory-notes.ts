/** Notes of `verify` on files in the directory of a partition that do not belong to the log. There may be very many. */
import { join } from 'node:path'
import { isLogFileName, isQuarantinedName, parseResetName } from '../segment.ts'
import type { LogNote } from './report.ts'

/** The number of files of each kind that are named. */
const MAX_NAMED = 100

/** Notes on the first files of each kind by name, and one note on the number of the others. */
export function notesOnNames(names: readonly string[], directory: string): LogNote[] {
  const quarantined = new FirstNames()
  const resets = new FirstNames()
  const unknown = new FirstNames()
  for (const name of names) {
    if (isQuarantinedName(name)) quarantined.add(name)
    else if (parseResetName(name) !== null) resets.add(name)
    else if (!isLogFileName(name)) unknown.add(name)
  }
  return [
    ...notesOn(quarantined, {
      kind: 'quarantined',
      directory,
      text: 'an earlier repair quarantined it',
      others: 'quarantined by repairs',
    }),
    ...notesOn(resets, {
      kind: 'unfinished-reset',
      directory,
      text: 'the next writer drops all segments and continues in this one, as `resetTo` had begun to',
      others: 'of resets that were interrupted',
    }),
    ...notesOn(unknown, {
      kind: 'unknown-file',
      directory,
      text: 'the log does not use this name',
      others: 'with names that the log does not use',
    }),
  ]
}

function notesOn(
  { first, count }: FirstNames,
  { kind, directory, text, others }: { kind: LogNote['kind']; directory: string; text: string; others: string },
): LogNote[] {
  const whole = { kind, from: 0, to: 0 }
  const notes = first.map((name) => ({ ...whole, path: join(directory, name), text, files: 1 }))
  const rest = count - first.length
  if (rest > 0) notes.push({ ...whole, path: directory, text: `${rest} more files ${others}`, files: rest })
  return notes
}

/** Counts names, and keeps the first ones in order. */
class FirstNames {
  count = 0
  readonly first: string[] = []

  add(name: string): void {
    this.count++
    let at = this.first.length
    while (at > 0 && name < (this.first[at - 1] ?? '')) at--
    if (at === MAX_NAMED) return
    this.first.splice(at, 0, name)
    if (this.first.length > MAX_NAMED) this.first.pop()
  }
}
