import { describe, expect, test } from 'vitest'
import { listSegments } from '../../index.ts'
import { flipped } from '../../testing/hand-bytes.ts'
import { append, appendEach, LogFixture } from '../../testing/log-fixture.ts'

/** A log of two segments, with one bit flipped at `damaged`. */
async function makeLog(damaged?: { baseOffset: number; position: number }): Promise<LogFixture> {
  const log = new LogFixture()
  const writer = await log.open()
  await appendEach(writer, ['one', 'two'])
  await writer.closeActiveSegment()
  await appendEach(writer, ['three', 'four'])
  await writer.close()
  if (damaged !== undefined) {
    const path = log.path(damaged.baseOffset)
    await log.overwrite(path, flipped(await log.file(path), 8 * damaged.position))
  }
  return log
}

/** The result of a call, or the error that it rejects with. */
async function settled(call: () => Promise<unknown>): Promise<unknown> {
  const [outcome] = await Promise.allSettled([call()])
  return outcome
}

/** The same calls on this log, one after another, and the result of each. */
async function outcomes(log: LogFixture): Promise<unknown[]> {
  return [
    await settled(() => listSegments(log.fs, log.config, 'orders', 0)),
    await log.outcome(),
    await settled(async () => {
      const writer = await log.open()
      await append(writer, 'five')
      await writer.closeActiveSegment()
      await append(writer, 'six')
      await writer.close()
      return writer.recovery
    }),
    await log.outcome({ from: 3n }),
    await settled(() => listSegments(log.fs, log.config, 'orders', 0)),
  ]
}

describe('a close of a file that fails', () => {
  test.each([
    ['is whole', undefined],
    ['is damaged in the head of its first segment', { baseOffset: 0, position: 8 }],
    ['is damaged in the records of its first segment', { baseOffset: 0, position: 200 }],
    ['is damaged in the SEAL of its first segment', { baseOffset: 0, position: 4100 }],
    ['is damaged in the head of its last segment', { baseOffset: 2, position: 8 }],
    ['is damaged in the records of its last segment', { baseOffset: 2, position: 230 }],
  ])('changes nothing for a log that %s, and leaves nothing open', async (_, damaged) => {
    const expected = await outcomes(await makeLog(damaged))
    const log = await makeLog(damaged)
    const rule = log.fs.faults.failAlways('close', 'EIO')
    expect(await outcomes(log)).toEqual(expected)
    expect(rule.hits).toBeGreaterThan(0)
    expect(log.fs.openHandles).toBe(0)
  })

  test('does not hide why a segment could not be created', async () => {
    const log = new LogFixture()
    const writer = await log.open()
    log.fs.faults.failAlways('close', 'EIO')
    log.fs.faults.failNext('syncDirectory', 'ENOSPC')
    await expect(append(writer, 'one')).rejects.toMatchObject({ cause: { code: 'ENOSPC' } })
  })

  test('of the lock does not hide why a log could not be opened, nor fail an orderly close', async () => {
    const log = new LogFixture()
    const lock = log.fs.lock.bind(log.fs)
    log.fs.lock = async (path) => {
      const held = await lock(path)
      return {
        async release(): Promise<void> {
          await held.release()
          throw Object.assign(new Error('EIO: i/o error, close'), { code: 'EIO' })
        },
      }
    }
    log.fs.faults.failNext('readdir', 'EMFILE')
    await expect(log.open()).rejects.toMatchObject({ code: 'SQ_WAL_IO', cause: { code: 'EMFILE' } })
    log.fs.faults.failNext('stat', 'EMFILE', `${log.directory}/lock`)
    await expect(log.open()).rejects.toMatchObject({ code: 'SQ_WAL_IO', cause: { code: 'EMFILE' } })
    await (await log.open()).close()
  })
})
