/**
 * The leader as a process: `node leader-process.js DIRECTORY EPOCH`. It listens on a free port of the loopback
 * interface and appends each line of its input as a record. It ends when its input ends. It prints:
 *
 *     listening on PORT
 *     appended END        everything before this offset is durable here
 *     acknowledged END    and on the replica, too: the high watermark
 *     disconnected: WHY
 */
import { once } from 'node:events'
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { NodeFileSystem } from '@sq/storage'
import { Leader } from './leader.js'
import { Log } from './log.js'

/** The number of lines that are appended at once, before any is durable. */
const WINDOW = 256

const [dataDir = 'leader-data', epoch = '1'] = process.argv.slice(2)
const log = await Log.open(new NodeFileSystem(), { dataDir })
const leader = await Leader.of(log, Number(epoch))

const server = createServer({ noDelay: true }, (socket) => {
  leader.serve(socket).catch((error) => console.log(`disconnected: ${error.message}`))
})
await once(server.listen(0, '127.0.0.1'), 'listening')
const address = server.address()
console.log(`listening on ${typeof address === 'object' ? address?.port : address}`)

/** @type {Promise<void>[]} */
let appends = []
for await (const line of createInterface(process.stdin)) {
  appends.push(append(line))
  if (appends.length === WINDOW) {
    await Promise.all(appends)
    appends = []
  }
}
await Promise.all(appends)
leader.close()
await once(server.close(), 'close')
await log.close()

/** @param {string} line */
async function append(line) {
  const endOffset = await leader.append([{ value: Buffer.from(line) }])
  console.log(`appended ${endOffset}`)
  // Not awaited: without a replica it takes as long as there is none.
  void leader.replicated(endOffset).then(() => console.log(`acknowledged ${endOffset}`))
}
