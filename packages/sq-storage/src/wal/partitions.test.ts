import { InMemoryFileSystem } from '@sq/sim/memory'
import { beforeEach, describe, expect, it } from 'vitest'
import { listPartitions, WalWriter } from '../index.ts'

let fs: InMemoryFileSystem

beforeEach(() => {
  fs = new InMemoryFileSystem()
})

async function make(topic: string, partition: number): Promise<void> {
  const writer = await WalWriter.open(fs, { dataDir: '/data' }, topic, partition)
  await writer.close()
}

describe('listPartitions', () => {
  it('finds every log, by topic and number, also one without records', async () => {
    for (const [topic, partition] of [
      ['b', 10],
      ['b', 9],
      ['a.b-c_d', 0],
      ['B', 4_294_967_295],
    ] as const) {
      await make(topic, partition)
    }
    expect(await listPartitions(fs, { dataDir: '/data' })).toEqual([
      { topic: 'B', partition: 4_294_967_295 },
      { topic: 'a.b-c_d', partition: 0 },
      { topic: 'b', partition: 9 },
      { topic: 'b', partition: 10 },
    ])
  })

  it('ignores what is not a log', async () => {
    await make('orders', 0)
    for (const name of ['orders/1', 'orders/01', 'orders/x', 'orders/4294967296', 'no topic/0', 'empty']) {
      await fs.mkdir(`/data/${name}`)
      const handle = await fs.open(`/data/${name}/file`, 'create')
      await handle.close()
    }
    const handle = await fs.open('/data/readme.txt', 'create')
    await handle.close()
    expect(await listPartitions(fs, { dataDir: '/data' })).toEqual([{ topic: 'orders', partition: 0 }])
  })

  it('reports a missing directory, and one that cannot be read', async () => {
    await expect(listPartitions(fs, { dataDir: '/data' })).rejects.toMatchObject({ code: 'SQ_WAL_NOT_FOUND' })
    await make('orders', 0)
    fs.faults.failNext('readdir', 'EACCES', '/data')
    await expect(listPartitions(fs, { dataDir: '/data' })).rejects.toThrow(/cannot look at \/data: EACCES/)
  })

  it.each([
    [
      'readdir',
      '/data/b',
      [
        ['a', 1],
        ['b', null],
        ['c', 0],
      ],
    ],
    [
      'stat',
      '/data/b',
      [
        ['a', 1],
        ['b', null],
        ['c', 0],
      ],
    ],
    [
      'readdir',
      '/data/b/5',
      [
        ['a', 1],
        ['b', 2],
        ['b', 5],
        ['b', 9],
        ['c', 0],
      ],
    ],
    [
      'stat',
      '/data/b/5',
      [
        ['a', 1],
        ['b', 2],
        ['b', 5],
        ['b', 9],
        ['c', 0],
      ],
    ],
  ] as const)('lists the others together with what cannot be read: %s of %s', async (operation, path, shown) => {
    for (const [topic, partition] of [
      ['c', 0],
      ['b', 9],
      ['b', 5],
      ['b', 2],
      ['a', 1],
    ] as const) {
      await make(topic, partition)
    }
    fs.faults.failAlways(operation, 'EACCES', path)
    const found = await listPartitions(fs, { dataDir: '/data' })
    expect(found.map(({ topic, partition }) => [topic, partition])).toEqual(shown)
    const failed = found.filter(({ error }) => error !== undefined)
    expect(failed).toMatchObject([{ topic: 'b', error: { code: 'SQ_WAL_IO', path, cause: { code: 'EACCES' } } }])
  })

  it('ignores a directory that disappears meanwhile', async () => {
    await make('orders', 0)
    fs.faults.failNext('stat', 'ENOENT', '/data/orders')
    expect(await listPartitions(fs, { dataDir: '/data' })).toEqual([])
  })
})
