/**
 * Checks the order of system calls in a trace of a log. A new segment must be durable under its temporary name before
 * it is renamed. Then the directory is synced. An acknowledgement is sent only after that, and after its commit was
 * written through a descriptor that syncs every write.
 */
import { Violation } from '../history.ts'
import { PARTITION, TOPIC } from '../log/log-under-test.ts'
import { makeRecord } from '../torture/numbered-record.ts'
import { findAcknowledged } from './subject-task.ts'

/** The calls to trace, in strace's notation. The pattern matches a call that has several names. */
export const ORDERED_CALLS = ['openat', 'pwrite64', 'pwritev', 'fsync', 'write', '/^rename(at2?)?$'] as const

/** The result for a trace in the right order. */
export interface Ordered {
  readonly newSegments: number
  readonly acknowledgements: number
}

/** The start or the end of a call. */
interface CallEvent {
  readonly begins: boolean
  readonly call: string
  /** The arguments as strace prints them, descriptors with their paths. */
  readonly shown: string
}

/** Throws a `Violation` if a call came too early. */
export function checkCallOrder(trace: readonly string[]): Ordered {
  const order = new CallOrder()
  for (const event of readEvents(trace)) order.see(event)
  return order
}

class CallOrder implements Ordered {
  newSegments = 0
  acknowledgements = 0
  /** Whether the file next.tmp is durable. */
  #headIsDurable = false
  /** Whether every rename so far is durable. A sync that began before the rename does not count. */
  #nameIsDurable = true
  #syncCounts = false
  /** The bytes written durably to segments. */
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

/** Bytes as strace prints them if they are not all ASCII. */
function showBytes(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')
}

/** strace prints an overlapped call in two lines. The number of the thread connects them. */
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
