/**
 * A leader and a replica on this machine, both killed, and a failover. It takes the part of the engine that decides who
 * leads. Run it with `node examples/replica/demo.js`; it ends by itself.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { batchesIn, startLeader, startReplica } from './cluster.js'

const RECORDS = 1000

const directory = mkdtempSync(join(tmpdir(), 'sq-replica-'))
const [a, b] = [join(directory, 'a'), join(directory, 'b')]
try {
  let leader = await startLeader(a, 1)
  append(leader.member, 'first')
  await leader.member.until('appended', RECORDS)
  let replica = startReplica(b, leader.port)
  await leader.member.until('acknowledged', RECORDS)
  console.log(`a leads in epoch 1. b has caught up with ${RECORDS} records.`)

  append(leader.member, 'second')
  await leader.member.until('acknowledged', RECORDS + RECORDS / 2)
  await replica.kill()
  await leader.member.until('appended', 2 * RECORDS)
  console.log('b was killed while records arrived. a has appended all, and waits with acknowledging the rest.')
  replica = startReplica(b, leader.port)
  await leader.member.until('acknowledged', 2 * RECORDS)
  console.log(`b was started again, and the high watermark is ${2 * RECORDS}.`)

  await replica.kill()
  append(leader.member, 'unreplicated')
  await leader.member.until('appended', 3 * RECORDS)
  await leader.member.kill()
  console.log(`b was killed, then a with ${RECORDS} records that only a has. Nobody was told that they are safe.`)

  leader = await startLeader(b, 2)
  append(leader.member, 'of the new leader')
  await leader.member.until('appended', 2 * RECORDS + 100)
  replica = startReplica(a, leader.port)
  await leader.member.until('acknowledged', 3 * RECORDS)
  console.log('b leads in epoch 2. a has dropped what only a had, and has caught up.')

  await replica.end()
  await leader.member.end()
  const [ofA, ofB] = [await batchesIn(a), await batchesIn(b)]
  if (!isDeepStrictEqual(ofA, ofB)) throw new Error('the logs differ')
  console.log(`Both logs have the same ${ofA.length} batches with the same checksums.`)
} finally {
  rmSync(directory, { recursive: true })
}

/**
 * @param {import('./cluster.js').Member} leader
 * @param {string} name
 */
function append(leader, name) {
  for (let number = 0; number < RECORDS; number++) leader.tell(`${name} ${number}`)
}
