/** What must hold of an archive on a real server if its bucket, its objects or its rights are not as they should be. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { deleteArchived, listArchive, restoreLog, sourceOf, verifyArchive } from '@sq/archive'
import type { ArchiveDeletion, ObjectStore } from '@sq/archive'
import { ArchivedMachine, archivedValues, inDirectory, PLACE, targetIn } from './archived-machine.ts'
import type { Check } from './check.ts'
import type { TestServer } from './test-server.ts'

const VALUES = ['a', 'b', 'c', 'd', 'e']
const LOCAL_RETENTION = { maxTotalBytes: 0 }
const POLL_MS = 20
const PATIENCE_MS = 30_000

/** What an archive never needs, in addition to `s3:DeleteObject`, which retention needs. */
const UNUSED_RIGHTS = [
  's3:DeleteObjectVersion',
  's3:GetBucketLocation',
  's3:GetBucketVersioning',
  's3:GetObjectAcl',
  's3:GetObjectTagging',
  's3:GetObjectVersion',
  's3:ListAllMyBuckets',
  's3:ListBucketMultipartUploads',
  's3:ListBucketVersions',
  's3:ListMultipartUploadParts',
  's3:PutObjectAcl',
  's3:PutObjectTagging',
]

/** What a check has: a store in a bucket of its own, and a directory. */
interface Place {
  readonly server: TestServer
  readonly bucket: string
  readonly store: ObjectStore
  readonly directory: string
}

function check(
  name: string,
  run: (place: Place) => Promise<void>,
  kind: Parameters<TestServer['bucket']>[0] = {},
): Check {
  return {
    name,
    run: (server) =>
      inDirectory(async (directory) => {
        const bucket = await server.bucket(kind)
        await server.using({ bucket }, (store) => run({ server, bucket, store, directory }))
      }),
  }
}

function keyOf(baseOffset: number): string {
  return `orders/0/${String(baseOffset).padStart(20, '0')}.wal`
}

/** Archives a log of five segments of one record each, all of which are still on the machine. */
async function archiveFive({ store, directory }: Place): Promise<void> {
  const machine = await ArchivedMachine.start(join(directory, 'machine'), store)
  await machine.archive(...VALUES)
  await machine.stop()
}

/** Deletes all but the last two segments of the archive. */
function retain({ store }: Place): Promise<ArchiveDeletion> {
  return deleteArchived(store, PLACE, { policy: { maxTotalBytes: 0 }, nowMs: Date.now() })
}

/** Waits until the archiver says why it does not go on, and resolves with the text. */
async function troubleOf({ log }: ArchivedMachine): Promise<string> {
  for (let waitedMs = 0; waitedMs < PATIENCE_MS; waitedMs += POLL_MS) {
    const { lastError } = log.stats()
    if (lastError instanceof Error) return lastError.message
    await sleep(POLL_MS)
  }
  throw new Error(`the archiver reports no trouble within ${PATIENCE_MS / 1000} s`)
}

/** Runs an action while nobody has some rights in the bucket, also not its owner. */
export async function whileDenied(
  { server, bucket }: Pick<Place, 'server' | 'bucket'>,
  Action: readonly string[],
  action: () => Promise<void>,
): Promise<void> {
  const Resource = [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`]
  const Statement = [{ Effect: 'Deny', Principal: '*', Action, Resource }]
  await server.s3.putBucketPolicy({ Bucket: bucket, Policy: JSON.stringify({ Version: '2012-10-17', Statement }) })
  try {
    await action()
  } finally {
    await server.s3.deleteBucketPolicy({ Bucket: bucket })
  }
}

/** The versions of the segments, and the markers that hide them. */
async function versionsIn({ server, bucket }: Place): Promise<{ versions: number; hidden: number }> {
  const { Versions = [], DeleteMarkers = [] } = await server.s3.listObjectVersions({
    Bucket: bucket,
    Prefix: 'orders/',
  })
  return { versions: Versions.length, hidden: DeleteMarkers.length }
}

/** Makes an object that was deleted in a bucket with versions visible again. */
async function undelete({ server, bucket }: Place, Key: string): Promise<void> {
  const { DeleteMarkers = [] } = await server.s3.listObjectVersions({ Bucket: bucket, Prefix: Key })
  for (const { VersionId } of DeleteMarkers) await server.s3.deleteObject({ Bucket: bucket, Key, VersionId })
}

async function hideAndGoOn(place: Place): Promise<void> {
  await archiveFive(place)
  assert.deepEqual(
    (await retain(place)).segments.map(({ key }) => key),
    [0, 1, 2].map(keyOf),
  )
  assert.deepEqual(await versionsIn(place), { versions: 5, hidden: 3 })
  assert.deepEqual(await archivedValues(place.store), ['d', 'e'])
  const machine = await ArchivedMachine.start(join(place.directory, 'machine'), place.store)
  await machine.archive('f')
  await machine.stop()
  assert.ok((await verifyArchive(place.store, PLACE, { deep: true })).isSound)
  for (const offset of [2, 1, 0]) await undelete(place, keyOf(offset))
  assert.deepEqual(await archivedValues(place.store), [...VALUES, 'f'])
}

async function loseOneInTheMiddle(place: Place): Promise<void> {
  const { store, directory } = place
  await archiveFive(place)
  await store.delete(keyOf(2))
  const report = await verifyArchive(store, PLACE)
  assert.deepEqual([report.isSound, report.gaps], [false, [{ fromOffset: 2n, toOffset: 3n }]])
  await assert.rejects(archivedValues(store), { code: 'SQ_WAL_CORRUPT', firstOffset: 2n, lastOffset: 2n })
  await assert.rejects(retain(place), /SQ_ARCHIVE_INCOMPLETE|before offset 2 do not lead up/)
  const newest = targetIn(join(directory, 'restored'))
  assert.equal((await restoreLog(store, PLACE, newest, { maxBytes: 1 })).logStartOffset, 4n)

  const machine = await ArchivedMachine.start(join(directory, 'machine'), store, { localRetention: LOCAL_RETENTION })
  await machine.archive('f')
  assert.match(await troubleOf(machine), /00002\.wal.*missing/)
  assert.deepEqual(await machine.segments(), [2n, 3n, 4n, 5n])
  await undelete(place, keyOf(2))
  assert.ok((await verifyArchive(store, PLACE, { deep: true })).isSound)
  await machine.archive('g')
  await machine.stop()
  assert.deepEqual(await archivedValues(store), [...VALUES, 'f', 'g'])
}

const buckets: readonly Check[] = [
  check('in a bucket with versions, retention hides segments, and they can be made visible again', hideAndGoOn, {
    versions: true,
  }),
  check('in a bucket with object lock, retention hides segments, and they can be made visible again', hideAndGoOn, {
    objectLock: true,
  }),
  check(
    'a segment that is missing in the middle is reported with its offsets, and keeps what is here and there',
    loseOneInTheMiddle,
    { versions: true },
  ),
  check('an archiver whose bucket is deleted says so, and goes on once it is there again', async (place) => {
    const { server, bucket, store, directory } = place
    await store.delete('~probe')
    const machine = await ArchivedMachine.start(directory, store, { localRetention: LOCAL_RETENTION })
    await server.s3.deleteBucket({ Bucket: bucket })
    const last = await machine.append('a')
    const trouble = await troubleOf(machine)
    await server.s3.createBucket({ Bucket: bucket })
    assert.match(trouble, new RegExp(`could not .* there is no bucket "${bucket}": create it`))
    assert.deepEqual(await machine.segments(), [0n])
    await machine.log.waitArchived(last)
    await machine.stop()
    assert.deepEqual(await archivedValues(store), ['a'])
  }),
]

const objects: readonly Check[] = [
  check('objects with other names next to segments are reported, ignored and kept', async (place) => {
    const { store } = place
    await archiveFive(place)
    const foreign = ['orders/0/00000000000000000002.wal.bak', 'orders/0/notes.txt', 'orders/0/old/a.wal']
    for (const key of [...foreign, 'orders/notes.txt']) await store.put(key, sourceOf(Buffer.from('?')))
    const report = await verifyArchive(store, PLACE, { deep: true })
    assert.deepEqual([report.isSound, report.foreign.map(({ key }) => key)], [true, foreign])
    assert.deepEqual(await archivedValues(store), VALUES)
    await retain(place)
    assert.deepEqual(await archivedValues(store), ['d', 'e'])
    assert.equal((await listArchive(store, PLACE)).foreign.length, foreign.length)
  }),
  check('an object with the name of a segment that is none is reported, and fences nobody', async (place) => {
    const { store, directory } = place
    await store.put(keyOf(0), sourceOf(Buffer.from('<html>')))
    const machine = await ArchivedMachine.start(directory, store, { localRetention: LOCAL_RETENTION })
    const last = await machine.append('a')
    assert.match(await troubleOf(machine), /00000\.wal.*does not begin with a segment header/)
    await store.delete(keyOf(0))
    await machine.log.waitArchived(last)
    await machine.stop()
    assert.deepEqual(await archivedValues(store), ['a'])
  }),
  check('a second log in the same place is refused, and both stay whole', async (place) => {
    const { store, directory } = place
    await archiveFive(place)
    const second = await ArchivedMachine.start(join(directory, 'second'), store, { localRetention: LOCAL_RETENTION })
    const refused = second.archive('A', 'B', 'C', 'D', 'E', 'F')
    await assert.rejects(refused, { code: 'SQ_ARCHIVE_MISMATCH', archiveEndOffset: 5n, logStartOffset: 0n })
    await second.stop()
    const begun = (await second.segments()).length
    assert.deepEqual(await archivedValues(store), VALUES)
    assert.ok(begun > 0)
  }),
  check('of two logs that begin at the same time in the same place, one is archived', async ({ store, directory }) => {
    const options = { localRetention: LOCAL_RETENTION }
    const machines = await Promise.all(
      ['first', 'second'].map((name) => ArchivedMachine.start(join(directory, name), store, options)),
    )
    const ends = await Promise.allSettled(machines.map((machine, at) => machine.archive(`${at}`, `${at}`)))
    const [winner, loser] = ends[0]?.status === 'fulfilled' ? [0, 1] : [1, 0]
    assert.deepEqual([ends[winner]?.status, ends[loser]?.status], ['fulfilled', 'rejected'])
    assert.deepEqual(await archivedValues(store), [`${winner}`, `${winner}`])
    assert.deepEqual(await machines[loser]?.segments(), [0n])
    assert.match(String(machines[loser]?.log.error), /close this writer|below another prefix/)
    for (const machine of machines) await machine.stop()
  }),
  check('a segment that is stored again after retention is a late upload, which retention deletes', async (place) => {
    const { store } = place
    await archiveFive(place)
    const content = Buffer.alloc((await store.head(keyOf(1)))?.bytes ?? 0)
    await store.get(keyOf(1), content, 0)
    await retain(place)
    // The server gives times in seconds.
    await sleep(1100)
    assert.equal(await store.put(keyOf(1), sourceOf(content)), 'created')
    const { lateUploads, gaps } = await listArchive(store, PLACE)
    assert.deepEqual([lateUploads.map(({ key }) => key), gaps], [[keyOf(1)], []])
    assert.deepEqual(await archivedValues(store), ['d', 'e'])
    assert.equal((await retain(place)).lateUploads.length, 1)
    assert.equal(await store.head(keyOf(1)), null)
  }),
]

const rights: readonly Check[] = [
  ...['s3:ListBucket', 's3:PutObject'].map((right) =>
    check(`an archiver without the right ${right} says so, keeps what is here, and goes on later`, async (place) => {
      const { store, directory } = place
      const machine = await ArchivedMachine.start(directory, store, { localRetention: LOCAL_RETENTION })
      await machine.archive('a', 'b')
      let last = 0n
      await whileDenied(place, [right], async () => {
        last = await machine.append('c')
        assert.match(await troubleOf(machine), new RegExp(`could not .* ${right}`))
        assert.ok((await machine.segments()).includes(2n))
      })
      await machine.log.waitArchived(last)
      await machine.stop()
      assert.deepEqual(await archivedValues(store), ['a', 'b', 'c'])
    }),
  ),
  check('retention without the right to delete says so, and has deleted nothing', async (place) => {
    await archiveFive(place)
    await whileDenied(place, ['s3:DeleteObject'], async () => {
      await assert.rejects(retain(place), {
        code: 'denied',
        message: /could not delete .*00000\.wal.* s3:DeleteObject/,
      })
    })
    assert.deepEqual(await archivedValues(place.store), VALUES)
  }),
  check('the rights that the documentation names are enough', async (place) => {
    const { server, bucket, store, directory } = place
    await whileDenied(place, ['s3:DeleteObject', ...UNUSED_RIGHTS], async () => {
      await server.using({ bucket }, async (least) => {
        await archiveFive({ ...place, store: least })
        assert.ok((await verifyArchive(least, PLACE, { deep: true })).isSound)
        await restoreLog(least, PLACE, targetIn(join(directory, 'restored')))
        await assert.rejects(retain({ ...place, store: least }), { code: 'denied' })
      })
    })
    await whileDenied(place, UNUSED_RIGHTS, async () => {
      assert.equal((await retain(place)).segments.length, 3)
    })
    assert.deepEqual(await archivedValues(store), ['d', 'e'])
  }),
]

/** Each check makes what it needs. */
export const TROUBLE_CHECKS: readonly Check[] = [...buckets, ...objects, ...rights]
