/** What both exporters listen to: the events of every log of the process, and how long its disk takes to sync. */
import { subscribe } from 'node:diagnostics_channel'

/** @typedef {import('@sq/storage').WalEvents} WalEvents */
/** What is shown of an open log, a `WalWriter` for example. @typedef {Pick<import('@sq/storage').WalWriter, 'stats' | 'logStartOffset' | 'logEndOffset'>} MeasuredLog */
/** @typedef {import('@sq/storage').SharedLimits} SharedLimits */
/** @typedef {import('@sq/sim').FileSystem} FileSystem */
/** @typedef {{ topic: string, partition: number }} Log */

/**
 * What to open the logs on; the open logs, which may change; and the limits that they share.
 *
 * @typedef {{ fs: FileSystem, writers: Iterable<[Log, MeasuredLog]>, limits: SharedLimits }} Source
 */

/**
 * What both exporters show of each open log when they are asked. None of it reads a file.
 *
 * @type {{ name: string, help: string, isBytes?: true, of: (log: MeasuredLog) => number }[]}
 */
export const logGauges = [
  { name: 'pending', help: 'Appends that are not durable yet', isBytes: true, of: (log) => log.stats().pendingBytes },
  { name: 'log_start_offset', help: 'The first offset that is left', of: (log) => Number(log.logStartOffset) },
  { name: 'log_end_offset', help: 'The offset after the last record', of: (log) => Number(log.logEndOffset) },
  { name: 'disk', help: 'The files of all segments', isBytes: true, of: (log) => log.stats().diskBytes },
  { name: 'segments', help: 'Segments', of: (log) => log.stats().segments },
]

/**
 * What both exporters show of the limits that the logs share.
 *
 * @type {{ name: string, help: string, isBytes: true, of: (limits: SharedLimits) => number }[]}
 */
export const limitGauges = [
  { name: 'all_pending', help: 'As pending, of all logs', isBytes: true, of: (limits) => limits.pendingBytes },
  { name: 'max_all_pending', help: 'The limit of all_pending', isBytes: true, of: (limits) => limits.maxPendingBytes },
]

/**
 * @template {keyof WalEvents} Name
 * @param {Name} name
 * @param {(event: WalEvents[Name]) => void} listener
 */
export function onEvent(name, listener) {
  // Node cannot know what type the messages of a channel have; `WalEvents` says it.
  subscribe(name, (event) => Reflect.apply(listener, undefined, [event]))
}

/**
 * The same file system; `observe` gets the time of each durable write, in seconds. It is what a commit waits for the
 * disk, with the wait for a thread of Node's pool. Open writers and readers on the result.
 *
 * @param {FileSystem} fs
 * @param {(seconds: number) => void} observe
 * @returns {FileSystem}
 */
export function timeSyncs(fs, observe) {
  return replaceMethod(fs, 'open', async (...args) => {
    const handle = await fs.open(...args)
    return replaceMethod(handle, 'writeDurable', async (buffers, position) => {
      const startMs = performance.now()
      await handle.writeDurable(buffers, position)
      observe((performance.now() - startMs) / 1000)
    })
  })
}

/**
 * An object with one method replaced, and all others as they are.
 *
 * @template {object} T
 * @template {keyof T} Name
 * @param {T} object
 * @param {Name} name
 * @param {T[Name]} method
 * @returns {T}
 */
function replaceMethod(object, name, method) {
  return new Proxy(object, {
    get(target, property) {
      if (property === name) return method
      const member = Reflect.get(target, property, target)
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
}
