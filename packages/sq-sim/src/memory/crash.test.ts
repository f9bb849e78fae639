import { describe, expect, it } from 'vitest'
import { Random } from '../random.ts'
import type { CrashChoice } from './index.ts'
import { CrashImage, InMemoryFileSystem } from './index.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text)
const sectors = (...letters: string[]): Uint8Array => bytes(letters.map((letter) => letter.repeat(512)).join(''))

/** The content of `/file`, with long runs of one character written as `A*512`; undefined if there is no such file. */
function content(fs: InMemoryFileSystem): string | undefined {
  if (!fs.volume.existsSync('/file')) return undefined
  const text = String(fs.volume.readFileSync('/file', 'latin1'))
  const printable = text.replaceAll('\0', '0')
  return printable.replaceAll(/(.)\1{9,}/gs, (run, letter: string) => `${letter}*${run.length} `).trim()
}

/** A file system with a durable `/file`, and then a change that is not synced. */
async function withFile(
  durable: Uint8Array,
  change: (file: Awaited<ReturnType<InMemoryFileSystem['open']>>, fs: InMemoryFileSystem) => Promise<void>,
): Promise<InMemoryFileSystem> {
  const fs = new InMemoryFileSystem()
  const file = await fs.open('/file', 'create')
  await file.writeDurable([durable], 0)
  await fs.syncDirectory('/')
  await change(file, fs)
  return fs
}

/** The content of `/file` after each possible crash. */
function outcomes(fs: InMemoryFileSystem, rest: Omit<CrashChoice, 'picks'> = {}): (string | undefined)[] {
  return [...fs.crashState().everyChoice()].map((choice) => {
    const crashed = fs.clone()
    crashed.crash({ ...choice, ...rest })
    return content(crashed)
  })
}

describe('a crash', () => {
  it('leaves nothing undecided behind', async () => {
    const fs = await withFile(sectors('A'), (file) => file.write([sectors('B', 'C')], 0))
    expect(fs.crashState().points).toHaveLength(3)
    fs.crash()
    expect(fs.crashState().points).toEqual([])
    expect(fs.crashState().combinations).toBe(1)
  })

  it('has one outcome when everything is durable', async () => {
    const fs = await withFile(sectors('A'), (file) => file.writeDurable([sectors('B')], 0))
    expect(outcomes(fs)).toEqual(['B*512'])
  })

  it('leaves each unsynced sector in any of its versions', async () => {
    const fs = await withFile(sectors('A', 'a'), async (file) => {
      await file.write([sectors('B', 'b')], 0)
      await file.write([sectors('C')], 0)
    })
    expect(fs.crashState().combinations).toBe(6)
    expect(new Set(outcomes(fs))).toEqual(
      new Set(['A*512 a*512', 'B*512 a*512', 'C*512 a*512', 'A*512 b*512', 'B*512 b*512', 'C*512 b*512']),
    )
  })

  it('leaves the file with any of its sizes, with or without the bytes', async () => {
    const fs = await withFile(bytes('A'), async (file) => {
      await file.write([bytes('B'.repeat(20))], 1)
      await file.truncate(11)
    })
    expect(fs.crashState().points).toEqual([
      { kind: 'size', path: '/file', alternatives: 3 },
      { kind: 'sector', path: '/file', sector: 0, alternatives: 3 },
    ])
    expect(new Set(outcomes(fs))).toEqual(new Set(['A', 'A0*20', 'A0*10', 'AB*20', 'AB*10', 'AB*10 0*10']))
  })

  it.each([
    ['zeros', /^A\*512 0\*1024$/],
    ['stale', /^A\*1536$/],
    ['garbage', /^A\*512 [^0].{900}/s],
  ] as const)('reads sectors never written as %s when the size is there before them', async (fill, expected) => {
    const fs = await withFile(sectors('A'), (file) => file.write([sectors('B', 'C')], 512))
    const picks = fs.crashState().points.map(({ kind }) => (kind === 'size' ? 1 : 0))
    fs.crash({ picks, fill })
    expect(content(fs)).toMatch(expected)
  })

  it('reads a sector that was never written as the same sector of a different file, if there is one', async () => {
    const fs = await withFile(sectors('A'), async (file, made) => {
      await (await made.open('/other', 'create')).writeDurable([sectors('X', 'Y', 'Z')], 0)
      await made.syncDirectory('/')
      await file.write([sectors('B', 'C')], 512)
    })
    fs.crash({ picks: [1], fill: 'stale' })
    expect(content(fs)).toBe('A*512 Y*512 Z*512')
  })

  it('reads a sector that was never written as what the file had there before it was truncated', async () => {
    const fs = await withFile(sectors('A', 'B', 'C'), async (file, made) => {
      await (await made.open('/other', 'create')).writeDurable([sectors('X', 'Y', 'Z')], 0)
      await made.syncDirectory('/')
      await file.truncate(512)
      await file.sync()
      await file.write([sectors('D', 'E')], 512)
    })
    fs.crash({ picks: [1], fill: 'stale' })
    expect(content(fs)).toBe('A*512 B*512 C*512')
  })

  it('tears one sector: first the new bytes, then the old ones', async () => {
    const fs = await withFile(sectors('A', 'A'), (file) => file.write([sectors('B', 'B')], 0))
    fs.crash({ picks: [1, 1], torn: { point: 0, bytes: 100 } })
    expect(content(fs)).toBe('B*100 A*412 B*512')
  })

  it('tears a sector between the chosen version and the one before', async () => {
    const fs = await withFile(sectors('A'), async (file) => {
      await file.write([sectors('B')], 0)
      await file.write([sectors('C')], 0)
    })
    fs.crash({ picks: [2], torn: { point: 0, bytes: 100 } })
    expect(content(fs)).toBe('C*100 B*412')
  })

  it('can tear a sector at the end of each changed byte but the last, since there the sector would be whole', async () => {
    const before = Buffer.alloc(512, 'A')
    const after = Buffer.from(before)
    for (const index of [3, 4, 200, 511]) after[index] = 0x42
    const fs = await withFile(before, (file) => file.write([after], 0))
    const state = fs.crashState()
    expect(state.tears(0)).toEqual([4, 5, 201])
    const digests = state
      .tears(0)
      .map((length) => state.image({ picks: [1], torn: { point: 0, bytes: length } }).digest())
    const edges = [[0], [1]].map((picks) => state.image({ picks }).digest())
    expect(new Set([...digests, ...edges]).size).toBe(5)
  })

  it('can tear a newer version over an older one, and nothing that is no sector', async () => {
    const fs = await withFile(bytes('A'), async (file) => {
      await file.write([bytes('BB')], 0)
      await file.write([bytes('BCC')], 0)
    })
    const state = fs.crashState()
    expect(state.points.map(({ kind }) => kind)).toEqual(['size', 'sector'])
    expect(state.points.map((_, point) => state.tears(point))).toEqual([[], [2]])
  })

  it('leaves durable bytes of a torn sector alone, garbage or not', async () => {
    for (const garbage of [false, true]) {
      const fs = await withFile(bytes('A'.repeat(100)), (file) => file.write([bytes('B'.repeat(200))], 100))
      expect(fs.crashState().points.map(({ kind }) => kind)).toEqual(['size', 'sector'])
      fs.crash({ picks: [1, 1], torn: { point: 1, bytes: 50, garbage } })
      const text = content(fs) ?? ''
      expect(text.startsWith('A*100 ')).toBe(true)
      expect(text === 'A*100 0*200').toBe(!garbage)
    }
  })

  it('leaves names as a prefix of the changes', async () => {
    const fs = new InMemoryFileSystem()
    for (const name of ['a', 'b', 'c']) await (await fs.open(`/${name}`, 'create')).close()
    const left = [...fs.crashState().everyChoice()].map((choice) => {
      const crashed = fs.clone()
      crashed.crash(choice)
      return crashed.volume.readdirSync('/')
    })
    expect(left).toEqual([[], ['a'], ['a', 'b'], ['a', 'b', 'c']])
  })

  it('leaves names as any subset of the changes in the weak mode', async () => {
    const fs = new InMemoryFileSystem({ weakNames: true })
    for (const name of ['a', 'b', 'c']) await (await fs.open(`/${name}`, 'create')).close()
    const left = [...fs.crashState().everyChoice()].map((choice) => {
      const crashed = fs.clone()
      crashed.crash(choice)
      return crashed.volume.readdirSync('/').map(String).join('')
    })
    expect(left.toSorted()).toEqual(['', 'a', 'ab', 'abc', 'ac', 'b', 'bc', 'c'])
    expect(fs.crashState().points[1]).toEqual({ kind: 'names', path: '/b', alternatives: 2 })
  })

  it('leaves a rename undone or done, never half done, including one between directories', async () => {
    const fs = await withFile(bytes('A'), async (_, made) => {
      await made.mkdir('/d')
      await made.rename('/file', '/d/file')
    })
    const left = [...fs.crashState().everyChoice()].map((choice) => {
      const image = fs.crashState().image(choice)
      return [...image.entries.keys()].filter((path) => path.endsWith('file'))
    })
    expect(left).toEqual([['/file'], ['/file'], ['/file'], ['/d/file']])
  })

  it('leaves a rename between directories undone or done in the weak mode too', async () => {
    const fs = new InMemoryFileSystem({ weakNames: true })
    await fs.mkdir('/d')
    await (await fs.open('/file', 'create')).close()
    await fs.syncDirectory('/')
    await fs.rename('/file', '/d/file')
    const left = [...fs.crashState().everyChoice()].map((choice) => [...fs.crashState().image(choice).entries.keys()])
    expect(left).toEqual([
      ['/d', '/file'],
      ['/d', '/d/file'],
    ])
  })

  it('makes a rename between directories durable when either directory is synced, with all earlier changes', async () => {
    for (const synced of ['/', '/d']) {
      const fs = await withFile(bytes('A'), async (_, made) => {
        await made.mkdir('/d')
        for (const path of ['/d/before', '/before']) await (await made.open(path, 'create')).close()
        await made.rename('/file', '/d/file')
        for (const path of ['/d/after', '/after']) await (await made.open(path, 'create')).close()
        await made.syncDirectory(synced)
      })
      fs.crash()
      const after = synced === '/' ? ['/after'] : ['/d/after']
      expect([...fs.crashState().image({ picks: [] }).entries.keys()].toSorted()).toEqual(
        ['/before', '/d', '/d/before', '/d/file', ...after].toSorted(),
      )
    }
  })

  it('leaves each directory in one place, even if it moved back and forth without a sync', async () => {
    const fs = new InMemoryFileSystem({ weakNames: true })
    for (const path of ['/a', '/b', '/c']) await fs.mkdir(path)
    await (await fs.open('/a/file', 'create')).close()
    await fs.syncDirectory('/a')
    const moves = [
      ['/b', '/a/b'],
      ['/a/b', '/b'],
      ['/a', '/c/a'],
      ['/c/a', '/b/a'],
    ] as const
    for (const [from, to] of moves) await fs.rename(from, to)
    const state = fs.crashState()
    expect(state.combinations).toBe(16)
    for (const choice of state.everyChoice()) {
      const paths = [...state.image(choice).entries.keys()]
      expect(paths.filter((path) => path.endsWith('/file')).length).toBeLessThan(2)
      expect(() => new InMemoryFileSystem({ image: state.image(choice) })).not.toThrow()
    }
    expect([...state.image({ picks: [1, 1, 1, 1] }).entries.keys()].toSorted()).toEqual([
      '/b',
      '/b/a',
      '/b/a/file',
      '/c',
    ])
  })

  it('leaves the bytes of a file whose name was removed undecided', async () => {
    const fs = await withFile(sectors('A'), async (file, made) => {
      await file.write([sectors('B')], 0)
      await made.unlink('/file')
      await (await made.open('/short-lived', 'create')).write([sectors('C')], 0)
      await made.unlink('/short-lived')
    })
    const { points } = fs.crashState()
    expect(points.map(({ kind, path }) => `${kind} ${path}`)).toEqual([
      'names /',
      'sector /file',
      'size /short-lived',
      'sector /short-lived',
    ])
    expect(new Set(outcomes(fs))).toEqual(new Set(['A*512', 'B*512', undefined]))
    fs.crash({ picks: [2, 0, 1, 1] })
    expect(fs.volume.readFileSync('/short-lived', 'latin1')).toBe('C'.repeat(512))
  })

  it('loses everything below a directory whose own name is lost', async () => {
    const fs = new InMemoryFileSystem()
    fs.faults.failAlways('syncDirectory', 'EIO', '/')
    await fs.mkdir('/a').catch(() => {})
    fs.faults.clear()
    fs.faults.failNext('mkdir', 'EIO')
    expect([...fs.crashState().image({ picks: [] }).entries.keys()]).toEqual([])
  })

  it('makes only the bytes of a durable write durable, and no more of the size than they need', async () => {
    const fs = await withFile(sectors('A'), async (file) => {
      await file.write([sectors('B')], 0)
      await file.write([sectors('C')], 512)
      await file.writeDurable([sectors('D')], 1024)
      await file.write([sectors('E')], 1536)
    })
    fs.crash()
    expect(content(fs)).toBe('A*512 0*512 D*512')
  })

  it('leaves undecided the sizes that a durable write does not need', async () => {
    const fs = await withFile(sectors('A'), async (file) => {
      await file.write([sectors('B')], 1024)
      await file.truncate(800)
      await file.writeDurable([bytes('C')], 0)
    })
    expect(fs.crashState().points[0]).toEqual({ kind: 'size', path: '/file', alternatives: 3 })
  })

  it('is the same for the same seed, and differs between seeds', async () => {
    const all = await Promise.all(Array.from({ length: 50 }, (_, seed) => digestAfterCrash(seed)))
    expect(await Promise.all(Array.from({ length: 50 }, (_, seed) => digestAfterCrash(seed)))).toEqual(all)
    expect(new Set(all).size).toBeGreaterThan(15)
  })
})

async function digestAfterCrash(seed: number): Promise<string> {
  const fs = await withFile(sectors('A', 'B', 'C'), async (file, made) => {
    await file.write([sectors('D', 'E', 'F', 'G', 'H')], 256)
    await file.truncate(1000)
    await (await made.open('/other', 'create')).close()
  })
  fs.crash({ random: new Random(seed) })
  return fs.crashState().image({ picks: [] }).digest()
}

async function digestOf(name: string, text: string): Promise<string> {
  const fs = new InMemoryFileSystem()
  const file = await fs.open(name, 'create')
  await file.writeDurable([bytes(text)], 0)
  await fs.syncDirectory('/')
  return fs.crashState().image({ picks: [] }).digest()
}

describe('CrashImage', () => {
  it('has the same digest exactly when names and bytes are the same', async () => {
    expect(await digestOf('/a', 'b')).toBe(await digestOf('/a', 'b'))
    expect(new Set([await digestOf('/a', 'b'), await digestOf('/b', 'b'), await digestOf('/a', 'c')]).size).toBe(3)
  })

  it('starts any number of file systems, in which all of its content is durable', async () => {
    const fs = await withFile(sectors('A'), (_, made) => made.mkdir('/a/b'))
    const image = fs.crashState().image({ picks: [] })
    for (const inPlace of [false, true]) {
      const started = inPlace ? fs : new InMemoryFileSystem({ image })
      if (inPlace) fs.crash(image)
      expect(content(started)).toBe('A*512')
      const file = await started.open('/file', 'read-write')
      await file.writeDurable([sectors('B')], 0)
      started.crash()
      expect(content(started)).toBe('B*512')
      expect(await started.readdir('/a')).toEqual(['b'])
    }
  })
})

it('an image that a caller made of Buffers stays as it is, whatever is written to the file', async () => {
  const given = Buffer.alloc(4096, 'a')
  const fs = new InMemoryFileSystem({ image: new CrashImage(new Map([['/file', given]])) })
  const file = await fs.open('/file', 'read-write')
  await file.writeDurable([Buffer.from('XX')], 0)
  await file.truncate(1000)
  await file.sync()
  expect(given.equals(Buffer.alloc(4096, 'a'))).toBe(true)
  expect((await fs.stat('/file')).sizeBytes).toBe(1000)
})

describe('a crash with hard links', () => {
  it('leaves two names of one file, which an image keeps apart from two files', async () => {
    const fs = await withFile(sectors('A'), async (file, made) => {
      await made.link('/file', '/other')
      await made.syncDirectory('/')
      await file.write([sectors('B')], 0)
    })
    expect(fs.crashState().combinations).toBe(2)
    const image = fs.crashState().image({ picks: [1] })
    expect([...image.links]).toEqual([['/other', '/file']])
    const separate = new CrashImage(image.entries)
    expect(separate.digest()).not.toBe(image.digest())
    for (const [started, text] of [
      [new InMemoryFileSystem({ image }), 'C*512'],
      [new InMemoryFileSystem({ image: separate }), 'B*512'],
      [fs.clone(), 'C*512'],
    ] as const) {
      await (await started.open('/other', 'read-write')).write([sectors('C')], 0)
      expect(content(started)).toBe(text)
    }
    fs.crash(image)
    expect((await fs.stat('/file')).links).toBe(2)
  })

  it('treats a link as one more change of its directory', async () => {
    const fs = await withFile(bytes('A'), async (_, made) => {
      await made.link('/file', '/a')
      await made.unlink('/file')
    })
    const left = [...fs.crashState().everyChoice()].map((choice) => [...fs.crashState().image(choice).entries.keys()])
    expect(left).toEqual([['/file'], ['/file', '/a'], ['/a']])
  })
})

describe('a crash after rmdir', () => {
  it('leaves the directory with what was not durably removed from it, or nothing', async () => {
    const fs = new InMemoryFileSystem()
    await fs.mkdir('/d')
    await (await fs.open('/d/file', 'create')).close()
    await fs.syncDirectory('/d')
    await fs.unlink('/d/file')
    await fs.rmdir('/d')
    const left = new Set<string>()
    for (const choice of fs.crashState().everyChoice())
      left.add([...fs.crashState().image(choice).entries.keys()].join(' '))
    expect(left).toEqual(new Set(['/d /d/file', '/d', '']))
    await fs.syncDirectory('/')
    expect(fs.crashState().points).toEqual([])
  })

  it('keeps a file that was moved out before, once the removal is durable', async () => {
    const fs = new InMemoryFileSystem()
    await fs.mkdir('/d')
    await fs.mkdir('/e')
    await (await fs.open('/d/file', 'create')).close()
    await fs.syncDirectory('/d')
    await fs.rename('/d/file', '/e/file')
    await fs.rmdir('/d')
    await fs.syncDirectory('/')
    fs.crash()
    expect(await fs.readdir('/e')).toEqual(['file'])
  })
})
