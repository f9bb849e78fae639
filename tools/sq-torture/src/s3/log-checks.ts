/** What must hold of a log that is archived on a real server. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { FencedError, restoreLog, verifyArchive } from '@sq/archive'
import { ArchivedMachine, archivedValues, inDirectory, PLACE, targetIn } from './archived-machine.ts'
import type { Check } from './check.ts'

/** A segment of 9 MiB is uploaded in parts. */
const VALUE_BYTES = 96 * 1024
const RECORDS = 96

function valuesOf(name: string, records: number): string[] {
  return Array.from({ length: records }, (_, index) => `${name} ${index} `.padEnd(VALUE_BYTES, 'x'))
}

export const LOG_CHECKS: readonly Check[] = [
  {
    name: 'a log is archived, goes on on another machine, and the first machine is told to stop',
    run: (server) =>
      inDirectory(async (directory) => {
        const options = { bucket: await server.bucket(), prefix: 'backups' }
        const [first, second] = [join(directory, 'first'), join(directory, 'second')]
        const [large, small, continued] = [valuesOf('large', RECORDS), valuesOf('small', 1), valuesOf('continued', 2)]
        await server.using(options, async (store) => {
          const old = await ArchivedMachine.start(first, store)
          await old.append(...large)
          const last = await old.append(...small)
          await old.log.waitArchived(last)

          assert.equal((await restoreLog(store, PLACE, targetIn(second))).logEndOffset, last + 1n)
          const next = await ArchivedMachine.start(second, store)
          const end = await next.append(...continued)
          await next.log.waitArchived(end)
          await next.stop()

          await assert.rejects(old.archive('lost'), FencedError)
          await old.stop()

          assert.deepEqual(await archivedValues(store), [...large, ...small, ...continued])
          const { isSound, foreign, logEndOffset } = await verifyArchive(store, PLACE, { deep: true })
          assert.deepEqual({ isSound, foreign, logEndOffset }, { isSound: true, foreign: [], logEndOffset: end + 1n })
        })
        await server.using({ ...options, readOnly: true }, async (store) => {
          assert.equal((await archivedValues(store)).length, RECORDS + 3)
        })
      }),
  },
]
