/** Writes records to stdout in one of the formats, with backpressure. */
import type { LogRecord } from '@sq/storage'
import { printBytes } from '../output.ts'
import type { Formatter, RecordLog } from './formatter.ts'
import type { FilterOptions } from './record-filter.ts'
import { formatterOf, titleOf } from './record-format.ts'
import type { FormatOptions } from './record-format.ts'

/** The options of the commands that print records. */
export interface RecordOptions extends FilterOptions, FormatOptions {
  readonly durableOnly?: boolean
  /** Whether to fail if no record is written. */
  readonly exitStatus?: boolean
}

/** Output is buffered up to about this size. */
const BUFFER_BYTES = 64 * 1024

export class RecordWriter {
  readonly #format: Formatter
  readonly #writesLogs: boolean
  #written = 0
  /** The text after the buffered bytes. */
  #text: string
  #gathered: Uint8Array[] = []
  #size = 0

  /** `writesLogs`: whether to write the log of each record, because there are several. */
  constructor(options: FormatOptions, { writesLogs }: { readonly writesLogs: boolean }) {
    this.#format = formatterOf(options)
    this.#writesLogs = writesLogs
    this.#text = titleOf(options, writesLogs)
  }

  /** The number of records written. */
  get written(): number {
    return this.#written
  }

  async write(record: LogRecord, log: RecordLog): Promise<void> {
    this.#written++
    for (const piece of this.#format(record, log, this.#writesLogs)) {
      if (typeof piece === 'string') {
        this.#text += piece
      } else {
        this.#endText()
        this.#gathered.push(piece)
      }
      this.#size += piece.length
      if (this.#size >= BUFFER_BYTES) await this.flush()
    }
  }

  /** Writes the buffered output. Resolves when there is room for more, or if stdout is closed. */
  async flush(): Promise<void> {
    this.#endText()
    const gathered = this.#gathered
    this.#gathered = []
    this.#size = 0
    // A large piece is not copied.
    const last = (gathered.at(-1)?.length ?? 0) >= BUFFER_BYTES ? gathered.pop() : undefined
    if (gathered.length > 0) await printBytes(Buffer.concat(gathered))
    if (last !== undefined) await printBytes(last)
  }

  /** Encodes short pieces of text together. */
  #endText(): void {
    if (this.#text !== '') this.#gathered.push(Buffer.from(this.#text))
    this.#text = ''
  }
}
