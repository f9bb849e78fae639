/** The leader and the replica as processes on a real disk, killed while records arrive; and the demo. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { cleanEnvironment } from '../clean-environment.js'
import { batchesIn, startLeader, startReplica } from './cluster.js'

/** Records between two kills, half of them acknowledged before. */
const RECORDS = 100

/** @type {string} */
let directory
/** @type {import('./cluster.js').Member[]} */
let members
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sq-replica-'))
  members = []
})
afterEach(async () => {
  await Promise.all(members.map((member) => member.kill()))
  rmSync(directory, { recursive: true })
})

/**
 * @param {string} dataDir
 * @param {number} epoch
 */
async function lead(dataDir, epoch) {
  const leader = await startLeader(dataDir, epoch)
  members.push(leader.member)
  return leader
}

/**
 * @param {string} dataDir
 * @param {number} port
 */
function follow(dataDir, port) {
  const replica = startReplica(dataDir, port)
  members.push(replica)
  return replica
}

test('whichever side is killed while records arrive, the logs become the same, with everything acknowledged', async () => {
  let [a, b] = [join(directory, 'a'), join(directory, 'b')]
  let epoch = 1
  let leader = await lead(a, epoch)
  let replica = follow(b, leader.port)
  let acknowledged = 0
  for (const killed of /** @type {const} */ (['replica', 'leader', 'replica', 'both', 'leader for good'])) {
    for (let number = 0; number < RECORDS; number++) leader.member.tell(`${killed} ${acknowledged} ${number}`)
    acknowledged = await leader.member.until('acknowledged', acknowledged + RECORDS / 2)
    if (killed !== 'leader' && killed !== 'leader for good') await replica.kill()
    if (killed !== 'replica') await leader.member.kill()
    acknowledged = Math.max(acknowledged, leader.member.last('acknowledged'))
    if (killed === 'replica') replica = follow(b, leader.port)
    if (killed === 'leader') {
      leader = await lead(a, epoch)
      replica.tell(String(leader.port))
    }
    if (killed === 'both') {
      leader = await lead(a, epoch)
      replica = follow(b, leader.port)
    }
    if (killed === 'leader for good') {
      // The replica takes over, and the leader of before comes back as a replica.
      assert.equal(await replica.end(), 0)
      ;[a, b] = [b, a]
      leader = await lead(a, ++epoch)
      replica = follow(b, leader.port)
    }
  }
  leader.member.tell('the last')
  const end = await leader.member.until('appended', 1)
  assert.ok(end > acknowledged, `the log ends at ${end}, and ${acknowledged} records were acknowledged`)
  await leader.member.until('acknowledged', end)
  assert.deepEqual([await replica.end(), await leader.member.end()], [0, 0])
  const batches = await batchesIn(a)
  assert.deepEqual(await batchesIn(b), batches)
  assert.match(batches.at(-1) ?? '', /the last$/)
})

test('the demo ends by itself with two equal logs', () => {
  const demo = fileURLToPath(new URL('demo.js', import.meta.url))
  const { status, stdout, stderr } = spawnSync(process.execPath, [demo], { encoding: 'utf8', env: cleanEnvironment() })
  assert.deepEqual([status, stderr], [0, ''])
  assert.match(stdout, /Both logs have the same 3000 batches with the same checksums\.\n$/)
})
