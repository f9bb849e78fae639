/**
 * The replica as a process: `node replica-process.js DIRECTORY`. Each line of its input is the port of the leader, as
 * an engine for elections would announce it; it connects again and again until the next line. It ends when its input
 * ends. It prints:
 *
 *     durable END    everything before this offset is durable here, and the same as on the leader
 *     disconnected: WHY
 */
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import { NodeFileSystem } from '@sq/storage'
import { Log } from './log.js'
import { replicate } from './replica.js'

const RETRY_MS = 50

const [dataDir = 'replica-data'] = process.argv.slice(2)
const log = await Log.open(new NodeFileSystem(), { dataDir })

let current = new AbortController()
/** @type {Promise<void>} */
let following = Promise.resolve()
for await (const line of createInterface(process.stdin)) {
  current.abort()
  await following
  current = new AbortController()
  following = follow(Number(line), current.signal)
}
current.abort()
await following
await log.close()

/**
 * @param {number} port
 * @param {AbortSignal} signal ends it
 */
async function follow(port, signal) {
  while (!signal.aborted) {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    const stop = () => socket.destroy()
    signal.addEventListener('abort', stop)
    try {
      await replicate(log, socket, (endOffset) => console.log(`durable ${endOffset}`))
      console.log('disconnected: the leader has closed the connection')
    } catch (error) {
      if (!signal.aborted) console.log(`disconnected: ${error instanceof Error ? error.message : String(error)}`)
    }
    signal.removeEventListener('abort', stop)
    await setTimeout(RETRY_MS, undefined, { signal }).catch(() => {})
  }
}
