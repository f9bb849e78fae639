/**
 * The log in a separate realm, as Jest and the VM pools of vitest run tests. There, no error of Node is an `instanceof
 * Error`.
 */
import { runInNewContext } from 'node:vm'
import { ManualClock } from '@sq/sim'
import type { FileHandle, FileSystem } from '@sq/sim'
import { InMemoryFileSystem } from '@sq/sim/memory'
import { expect, test } from 'vitest'
import { listPartitions, listSegments, verify, WalReader, WalWriter } from '../index.ts'
import { append } from '../testing/log-fixture.ts'

const config = { dataDir: '/data', maxSegmentBytes: 4096 }

/** The same error, made in another realm. */
function foreign(error: Error): unknown {
  const fields = Object.fromEntries(Object.entries(error))
  return runInNewContext('Object.assign(new Error(message), fields)', { message: error.message, fields })
}

/** Wraps a file system or an open file, so that it rejects only with errors of another realm. */
function fromAnotherRealm<T extends FileSystem | FileHandle>(target: T): T {
  return new Proxy(target, {
    get(_, name) {
      const member: unknown = Reflect.get(target, name, target)
      if (typeof member !== 'function') return member
      return async (...args: unknown[]): Promise<unknown> => {
        try {
          const result: unknown = await Reflect.apply(member, target, args)
          return name === 'open' ? fromAnotherRealm(result as FileHandle) : result
        } catch (error) {
          throw error instanceof Error ? foreign(error) : error
        }
      }
    },
  })
}

async function valuesIn(fs: FileSystem): Promise<string[]> {
  await using reader = await WalReader.open(fs, config, 'orders', 0)
  const values: string[] = []
  for await (const { value } of reader.read()) values.push(String(value))
  return values
}

function open(fs: FileSystem): Promise<WalWriter> {
  return WalWriter.open(fs, config, 'orders', 0, { clock: new ManualClock() })
}

test('a log is created, appended to, opened again and read', async () => {
  const fs = fromAnotherRealm(new InMemoryFileSystem())
  for (const value of ['first', 'second']) {
    await using writer = await open(fs)
    await append(writer, value)
  }
  expect(await valuesIn(fs)).toEqual(['first', 'second'])
  expect(await listSegments(fs, config, 'orders', 0)).toHaveLength(2)
  expect(await verify(fs, config, 'orders', 0)).toMatchObject({ problems: [] })
  expect(await listPartitions(fs, config)).toMatchObject([{ topic: 'orders', partition: 0 }])
})

test('failures of the file system are reported as in the main realm', async () => {
  const memory = new InMemoryFileSystem()
  const fs = fromAnotherRealm(memory)
  await expect(WalReader.open(fs, config, 'orders', 0)).rejects.toMatchObject({ code: 'SQ_WAL_NOT_FOUND' })
  memory.faults.failNext('mkdir', 'EACCES')
  await expect(open(fs)).rejects.toMatchObject({ code: 'SQ_WAL_IO', cause: { code: 'EACCES' } })
  await using writer = await open(fs)
  await expect(open(fs)).rejects.toMatchObject({ code: 'SQ_WAL_LOCKED' })
  memory.faults.failNext('sync', 'EIO')
  await expect(append(writer, 'rejected')).rejects.toMatchObject({
    code: 'SQ_WAL_APPEND_FAILED',
    cause: { code: 'EIO' },
    message: expect.stringContaining('EIO: i/o error'),
  })
  await append(writer, 'durable')
  expect(await valuesIn(fs)).toEqual(['durable'])
})
