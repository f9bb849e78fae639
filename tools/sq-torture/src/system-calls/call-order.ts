/**
 * Reads a trace of the system calls of a log, and holds their order against what durability asks for: a new segment is
 * durable under its passing name before it is renamed, the directory is synced after that, and only when the commit is
 * in it too, written through a descriptor that is synced with every write, its acknowledgement goes out.
 */
import { Violation } from '../history.ts'
import { PARTITION, TOPIC } from '../log-under-test.ts'
import { makeRecord } from '../torture/numbered-record.ts'
import { findAcknowledged } from './subject-task.ts'

/** The calls that matter here, as strace wants them: the pattern is for what goes by several names. */
export const ORDERED_CALLS = ['openat', 'pwrite64', 'pwritev', 'fsync', 'write', '/^rename(at2?)?$'] as const

/** What was seen, all of it in order. */
export interface Ordered {
  readonly newSegments: number
  readonly acknowledgements: number
}

/** A call begins, or is done. */
interface CallEvent {
  readonly begins: boolean
  readonly call: string
  /** Its arguments as strace shows them, descriptors with their paths. */
  readonly shown: string
}

/** Throws a `Violation` where a call came too early. */
export function checkCallOrder(trace: readonly string[]): Ordered {
  const order = new CallOrder()
  for (const event of readEvents(trace)) order.see(event)
  return order
}

class CallOrder implements Ordered {
  newSegments = 0
  acknowledgements = 0
  /** Whether what is called next.tmp is durable. */
  #headIsDurable = false
  /** Whether all renaming so far is durable; a sync that began earlier does not count. */
  #nameIsDurable = true
  #syncCounts = false
  /** What was written to segments durably. */
  readonly #written: string[] = []

  see({ begins, call, shown }: CallEvent): void {
    if (call === 'openat' && begins) this.#open(shown)
    if (call.startsWith('pwrite') && !begins) this.#wrote(shown)
    if (call.startsWith('rename')) this.#rename(begins)
    if (call === 'fsync' && shown.includes(`/${TOPIC}/${PARTITION}>`)) this.#syncDirectory(begins)
    if (call === 'write' && begins) this.#acknowledge(findAcknowledged(shown) ?? [])
  }

  #open(shown: string): void {
    const [path = ''] = /(next\.tmp|\d+\.wal)(?=")/.exec(shown) ?? []
    if (path !== '' && shown.includes('O_RDWR') && !shown.includes('O_DSYNC')) {
      throw new Violation(`1: ${path} is opened for writing without O_DSYNC`)
    }
    if (path === 'next.tmp') this.#headIsDurable = false
  }

  #syncDirectory(begins: boolean): void {
    if (begins) this.#syncCounts = true
    else if (this.#syncCounts) this.#nameIsDurable = true
  }

  #wrote(shown: string): void {
    if (shown.includes('/next.tmp>')) this.#headIsDurable = true
    else this.#written.push(shown)
  }

  #rename(begins: boolean): void {
    if (begins && !this.#headIsDurable) throw new Violation('1: a segment is renamed before its head is durable')
    this.#nameIsDurable = false
    this.#syncCounts = false
    if (!begins) this.newSegments++
  }

  #acknowledge(serials: readonly number[]): void {
    for (const serial of serials) {
      const what = `1: the record with serial number ${serial} is acknowledged` as const
      if (!this.#nameIsDurable) throw new Violation(`${what} before the name of its segment is durable`)
      const bytes = showBytes(makeRecord(serial).key ?? Buffer.alloc(0))
      if (!this.#written.some((shown) => shown.includes(bytes))) throw new Violation(`${what} before it is durable`)
      this.acknowledgements++
    }
  }
}

/** As strace shows bytes that are not all ASCII. */
function showBytes(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')
}

/** A call that others overlap stands on two lines: the thread's number tells what belongs together. */
function* readEvents(trace: readonly string[]): Generator<CallEvent> {
  const begun = new Map<string, string>()
  for (const line of trace) {
    const [, thread = '', call = '', shown = ''] = /^(\d+) +(\w+)\((.*)$/.exec(line) ?? []
    if (call !== '') {
      yield { begins: true, call, shown }
      if (shown.endsWith('<unfinished ...>')) begun.set(thread, shown)
      else yield { begins: false, call, shown }
    }
    const [, resumedThread = '', resumed = ''] = /^(\d+) +<\.\.\. (\w+) resumed>/.exec(line) ?? []
    if (resumed !== '') yield { begins: false, call: resumed, shown: begun.get(resumedThread) ?? '' }
  }
}
