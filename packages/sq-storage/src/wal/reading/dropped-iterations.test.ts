/**
 * Iterations that were dropped without `return`, and readers without `close`: the files that they hold, and their
 * listeners on the caller's signal.
 */
import { getEventListeners, getMaxListeners } from 'node:events'
import { setFlagsFromString } from 'node:v8'
import { createContext, runInContext, runInNewContext } from 'node:vm'
import { beforeEach, describe, expect, it } from 'vitest'
import { ClosedError, WalReader } from '../../index.ts'
import type { LogRecord, ReadOptions, WalWriter } from '../../index.ts'
import { append, appendEach, LogFixture } from '../../testing/log-fixture.ts'
import { quiet } from '../../testing/quiet.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

let log: LogFixture
let writer: WalWriter
let reader: WalReader

beforeEach(async () => {
  log = new LogFixture()
  writer = await log.open()
  await appendEach(writer, ['a', 'b'])
  reader = await WalReader.open(log.fs, log.config, 'orders', 0)
})

function listeners({ signal }: AbortController): number {
  return getEventListeners(signal, 'abort').length
}

interface ForeignController {
  readonly signal: AbortSignal
  readonly abort: (reason?: unknown) => void
}

/** A signal of another realm, with the members that the reader uses. */
function foreignController(): ForeignController {
  return runInContext(
    `const listeners = new Set()
     const signal = {
       aborted: false,
       reason: undefined,
       addEventListener: (_, listener) => listeners.add(listener),
       removeEventListener: (_, listener) => listeners.delete(listener),
     };
     ({ signal, abort(reason) {
       Object.assign(signal, { aborted: true, reason })
       for (const listener of [...listeners]) listener()
     } })`,
    createContext({}),
  ) as ForeignController
}

describe('the signal of the caller', () => {
  it('has one listener while any number of iterations wait, none while none does, and keeps its limit', async () => {
    const controller = new AbortController()
    const { signal } = controller
    const limit = getMaxListeners(signal)
    const warnings: unknown[] = []
    const warn = (warning: unknown): number => warnings.push(warning)
    process.on('warning', warn)
    const iterations = Array.from({ length: 100 }, () => reader.read({ follow: true, signal, from: 2n }))
    expect(listeners(controller)).toBe(0)
    for (let round = 0; round < 3; round++) {
      const next = iterations.map((iteration) => iteration.next())
      await quiet()
      expect(listeners(controller)).toBe(1)
      await append(writer, `c${round}`)
      expect((await Promise.all(next)).every(({ value }) => (value as LogRecord).offset === BigInt(2 + round))).toBe(
        true,
      )
      expect(listeners(controller)).toBe(0)
    }
    const last = iterations.map((iteration) => iteration.next())
    await quiet()
    controller.abort(new Error('enough'))
    for (const outcome of await Promise.allSettled(last)) expect(outcome).toMatchObject({ reason: new Error('enough') })
    expect([listeners(controller), getMaxListeners(signal)]).toEqual([0, limit])
    await quiet()
    process.off('warning', warn)
    expect(warnings).toEqual([])
  })

  it.each<[string, ReadOptions, number]>([
    ['never begun', { follow: true }, 0],
    ['begun and left', { follow: true }, 1],
    ['left at the end of what was there', { follow: true }, 2],
    ['read to its end', {}, 3],
  ])('keeps no listener of iterations that were %s', async (_, options, steps) => {
    const controller = new AbortController()
    for (let count = 0; count < 50; count++) {
      const iteration = reader.read({ ...options, signal: controller.signal })
      for (let step = 0; step < steps; step++) await iteration.next()
    }
    expect(listeners(controller)).toBe(0)
    controller.abort()
  })

  it('is garbage-collected after an iteration that waited has ended, even if the reader stays open', async () => {
    const ended = await (async () => {
      const { signal } = new AbortController()
      const iteration = reader.read({ follow: true, from: 2n, signal })
      const next = iteration.next()
      await quiet()
      await append(writer, 'c')
      await next
      await iteration.return?.()
      return new WeakRef(signal)
    })()
    for (let attempt = 0; attempt < 20 && ended.deref() !== undefined; attempt++) {
      // What was dereferenced is held until the end of the job.
      await quiet()
      collectGarbage()
    }
    expect(ended.deref()).toBeUndefined()
    expect(reader.stats().records).toBe(1)
  })

  it('ends an iteration that was not waiting when it was aborted', async () => {
    const controller = new AbortController()
    const iteration = reader.read({ signal: controller.signal })
    await iteration.next()
    controller.abort(new Error('enough'))
    await expect(iteration.next()).rejects.toThrow('enough')
    expect(await iteration.next()).toEqual({ done: true, value: undefined })
  })

  it.each([
    ['before it begins', 0],
    ['while it waits', 2],
  ])('may be of another realm, and ends an iteration %s', async (_, steps) => {
    const { signal, abort } = foreignController()
    const iteration = reader.read({ follow: true, signal })
    for (let step = 0; step < steps; step++) await iteration.next()
    const next = steps > 0 ? iteration.next() : null
    await quiet()
    abort(new Error('enough'))
    await expect(next ?? iteration.next()).rejects.toThrow('enough')
  })

  it('without a reason, as in old versions, ends an iteration with an AbortError', async () => {
    const { signal, abort } = foreignController()
    abort()
    await expect(reader.read({ signal }).next()).rejects.toMatchObject({ name: 'AbortError' })
  })

  it.each([[null], ['signal'], [{}], [{ aborted: false }], [new AbortController()]])(
    'must be a signal: %o',
    async (signal) => {
      const options = { signal } as unknown as ReadOptions
      await expect(reader.read(options).next()).rejects.toThrow(/^signal must be an AbortSignal, not /)
    },
  )
})

describe('a dropped iteration', () => {
  it('releases its file, its watch and its place among tailing readers once it is garbage-collected', async () => {
    await append(writer, Buffer.alloc(300_000))
    await append(writer, Buffer.alloc(300_000))
    await writer.close()
    const openHandles = log.fs.openHandles
    await (async () => {
      for (let count = 0; count < 5; count++) {
        const [inFile, atEnd] = [reader.read({ follow: true }), reader.readBatches({ follow: true, from: 3n })]
        await inFile.next()
        await atEnd.next()
        // It is woken once it watches the directory, and is dropped after it got a record.
        const waiting = atEnd.next()
        await quiet()
        const again = await log.open()
        await append(again, 'more')
        await waiting
        await again.close()
      }
    })()
    expect(log.fs.openHandles).toBeGreaterThan(openHandles)
    for (let attempt = 0; attempt < 20 && log.fs.openHandles > openHandles; attempt++) {
      collectGarbage()
      await quiet()
    }
    expect(log.fs.openHandles).toBe(openHandles)
  })

  it('is not garbage-collected while a caller waits for it', async () => {
    const values: string[] = []
    const ended = (async () => {
      for await (const { value } of reader.read({ follow: true, from: 2n })) values.push(String(value))
    })()
    for (const expected of ['c', 'd']) {
      await quiet()
      collectGarbage()
      await quiet()
      await append(writer, expected)
    }
    await quiet()
    expect(values).toEqual(['c', 'd'])
    await reader.close()
    await expect(ended).rejects.toThrow(ClosedError)
  })
})

describe('a dropped reader', () => {
  it('closes the file that it kept for fetches to come once it is garbage-collected', async () => {
    await append(writer, Buffer.alloc(300_000))
    await append(writer, Buffer.alloc(300_000))
    const openHandles = log.fs.openHandles
    await (async () => {
      const dropped = await WalReader.open(log.fs, log.config, 'orders', 0)
      await dropped.fetch({ from: 0n, maxBytes: 1 })
    })()
    expect(log.fs.openHandles).toBe(openHandles + 1)
    for (let attempt = 0; attempt < 20 && log.fs.openHandles > openHandles; attempt++) {
      collectGarbage()
      await quiet()
    }
    expect(log.fs.openHandles).toBe(openHandles)
  })
})
