import { EventEmitter, once } from 'node:events'
import { Random } from '@sq/sim'
import { describe, expect, test } from 'vitest'
import { hadNoEffect, ObjectStoreError, sourceOf } from '../index.ts'
import type { ObjectStore } from '../index.ts'
import { InMemoryObjectStore } from './index.ts'

function content(text: string) {
  return sourceOf(Buffer.from(text))
}

async function read(store: ObjectStore, key: string): Promise<string> {
  const buffer = Buffer.alloc(64)
  return buffer.toString('utf8', 0, await store.get(key, buffer, 0))
}

async function keys(store: ObjectStore): Promise<string[]> {
  const found: string[] = []
  for await (const { key } of store.list('')) found.push(key)
  return found
}

describe('a put that fails', () => {
  test('has no effect, if nothing else is said', async () => {
    const store = new InMemoryObjectStore()
    store.faults.add({ on: 'put', fault: { error: 'failed' } })
    await expect(store.put('a', content('1'))).rejects.toMatchObject({ code: 'failed', key: 'a' })
    expect(await keys(store)).toEqual([])
    expect(await store.put('a', content('2'))).toBe('created')
  })

  test('may have stored the object', async () => {
    const store = new InMemoryObjectStore()
    store.faults.add({ on: 'put', fault: { error: 'failed', effect: 'yes' } })
    await expect(store.put('a', content('1'))).rejects.toThrow('failed')
    expect(await store.put('a', content('2'))).toBe('exists')
    expect(await read(store, 'a')).toBe('1')
  })

  test('may store the object later, if there is none then', async () => {
    const store = new InMemoryObjectStore()
    store.faults.add({ on: 'put', when: 'always', fault: { error: 'failed', effect: 'late' } })
    for (const text of ['1', '2']) await expect(store.put('a', content(text))).rejects.toThrow('failed')
    expect(await keys(store)).toEqual([])
    store.landLate()
    expect(await read(store, 'a')).toBe('1')
    store.landLate()
    expect(await read(store, 'a')).toBe('1')
  })
})

test('a deletion may take effect although it is reported as failed, or later', async () => {
  const store = new InMemoryObjectStore()
  for (const key of ['a', 'b']) await store.put(key, content(key))
  store.faults.add({ on: 'delete', key: 'a', fault: { error: 'failed', effect: 'yes' } })
  store.faults.add({ on: 'delete', key: 'b', fault: { error: 'failed', effect: 'late' } })
  for (const key of ['a', 'b']) await expect(store.delete(key)).rejects.toThrow('failed')
  expect(await keys(store)).toEqual(['b'])
  store.landLate()
  expect(await keys(store)).toEqual([])
})

test('a get may be short, or have a wrong bit, and the object stays as it is', async () => {
  const store = new InMemoryObjectStore()
  await store.put('a', content('0123'))
  store.faults.add({ on: 'get', fault: { shortBytes: 2 } })
  expect(await read(store, 'a')).toBe('01')
  store.faults.add({ on: 'get', when: { nth: 2 }, fault: { flipBit: 8 } })
  expect(await read(store, 'a')).toBe('0123')
  expect(await read(store, 'a')).toBe('0023')
  expect(await read(store, 'a')).toBe('0123')
})

test('an operation waits while it is held', async () => {
  const store = new InMemoryObjectStore()
  const gate = new EventEmitter()
  store.faults.add({ on: 'put', key: /^a/, fault: { until: once(gate, 'open') } })
  const put = store.put('a', content('1'))
  await store.put('b', content('2'))
  expect(await keys(store)).toEqual(['b'])
  gate.emit('open')
  expect(await put).toBe('created')
})

test('a rule applies to its operations, keys and times only, until it is removed', async () => {
  const store = new InMemoryObjectStore({ pageObjects: 1 })
  const rule = store.faults.add({ on: ['head', 'list'], when: 'always', fault: { error: 'denied' } })
  await store.put('a', content('1'))
  await expect(store.head('a')).rejects.toMatchObject({ code: 'denied' })
  await expect(keys(store)).rejects.toMatchObject({ code: 'denied' })
  expect(rule.hits).toBe(2)
  rule.remove()
  expect(await keys(store)).toEqual(['a'])
  const chance = { chance: 0.5, random: new Random(1) }
  const often = store.faults.add({ on: 'get', key: 'a', when: chance, fault: { error: 'failed' } })
  const results = await Promise.allSettled(Array.from({ length: 100 }, () => read(store, 'a')))
  expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(often.hits)
  expect(often.hits).toBeGreaterThan(20)
  expect(often.hits).toBeLessThan(80)
})

test('a later page of a listing may fail', async () => {
  const store = new InMemoryObjectStore({ pageObjects: 2 })
  for (const key of ['a', 'b', 'c']) await store.put(key, content(key))
  store.faults.add({ on: 'list', when: { nth: 2 }, fault: { error: 'failed' } })
  const found: string[] = []
  const listing = async (): Promise<void> => {
    for await (const { key } of store.list('')) found.push(key)
  }
  await expect(listing()).rejects.toThrow('failed')
  expect(found).toEqual(['a', 'b'])
})

test('a store that ignores conditions replaces an object', async () => {
  const store = new InMemoryObjectStore({ ignoresConditions: true })
  for (const text of ['1', '2']) expect(await store.put('a', content(text))).toBe('created')
  expect(await read(store, 'a')).toBe('2')
})

test('only an error that says so had no effect for certain', () => {
  const errors = (['denied', 'failed'] as const).map((code) => new ObjectStoreError(code, '', { key: 'a' }))
  expect([...errors, new Error('reset')].map(hadNoEffect)).toEqual([true, false, false])
})
