/** To whom what `NodeFileSystem` makes belongs, and who may open it. */
import * as nodeFs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { NodeFileSystem } from './node-file-system.ts'

const fs = new NodeFileSystem()
const NOBODY = 65_534
let directory = ''
let umask = 0
beforeEach(() => {
  directory = nodeFs.mkdtempSync(join(tmpdir(), 'sq-sim-'))
  umask = process.umask(0o022)
})
afterEach(() => {
  process.umask(umask)
  nodeFs.rmSync(directory, { recursive: true })
})

function modeOf(path: string): string {
  return (nodeFs.statSync(path).mode & 0o7777).toString(8)
}

function ownerOf(path: string): string {
  const { uid, gid } = nodeFs.statSync(path)
  return `${uid}:${gid}`
}

/** Makes a file, a directory, a directory below it, and a lock. */
async function makeAll(): Promise<void> {
  await (await fs.open(join(directory, 'file'), 'create')).close()
  await fs.mkdir(join(directory, 'sub', 'below'))
  await (await fs.lock(join(directory, 'lock'))).release()
}

describe.runIf(process.platform !== 'win32')('what is made', () => {
  it.each([
    ['700', 0o022, '600', '700'],
    ['750', 0o022, '640', '750'],
    ['711', 0o022, '600', '711'],
    ['755', 0o022, '644', '755'],
    ['775', 0o022, '644', '755'],
    ['775', 0o002, '664', '775'],
    ['1777', 0o022, '644', '755'],
    ['755', 0o077, '600', '700'],
    ['2775', 0o002, '664', '2775'],
  ])('in a directory of mode %s, with umask %o: a file has %s, a directory %s, a lock 600', async (...expected) => {
    const [mode, mask, file, made] = expected
    process.umask(mask)
    nodeFs.chmodSync(directory, Number.parseInt(mode, 8))
    await makeAll()
    const found = ['file', 'sub', 'sub/below', 'lock'].map((name) => modeOf(join(directory, name)))
    expect(found).toEqual([file, made, made, '600'])
  })

  it.each(['600', '640', '660', '444'])('like another file has its mode %s, whatever umask and directory', async (mode) => {
    const source = join(directory, 'source')
    nodeFs.writeFileSync(source, '')
    nodeFs.chmodSync(source, Number.parseInt(mode, 8))
    const copy = join(directory, 'copy')
    await (await fs.open(copy, 'create', { like: source })).close()
    expect(modeOf(copy)).toBe(mode)
  })

  it('is a lock that was open to others closed to them, where it is ours', async () => {
    const path = join(directory, 'lock')
    nodeFs.writeFileSync(path, '')
    nodeFs.chmodSync(path, 0o664)
    await (await fs.lock(path)).release()
    expect(modeOf(path)).toBe('600')
  })
})

describe.runIf(process.geteuid?.() === 0)('what root makes in a directory of somebody else', () => {
  beforeEach(() => nodeFs.chownSync(directory, NOBODY, NOBODY))

  it('is theirs', async () => {
    await makeAll()
    for (const name of ['file', 'sub', 'sub/below', 'lock']) {
      expect([name, ownerOf(join(directory, name))]).toEqual([name, `${NOBODY}:${NOBODY}`])
    }
  })

  it('keeps its group where the directory hands that down', async () => {
    nodeFs.chownSync(directory, NOBODY, 1234)
    nodeFs.chmodSync(directory, 0o2770)
    await makeAll()
    expect(['file', 'sub', 'lock'].map((name) => ownerOf(join(directory, name)))).toEqual(Array(3).fill(`${NOBODY}:1234`))
    expect(modeOf(join(directory, 'sub'))).toBe('2750')
  })

  it('like another file is whose that is', async () => {
    const source = join(directory, 'source')
    nodeFs.writeFileSync(source, '')
    nodeFs.chownSync(source, 1, 2)
    nodeFs.chmodSync(source, 0o660)
    await (await fs.open(join(directory, 'copy'), 'create', { like: source })).close()
    expect([ownerOf(join(directory, 'copy')), modeOf(join(directory, 'copy'))]).toEqual(['1:2', '660'])
  })

  it('leaves a lock that is there to its owner, as it is', async () => {
    const path = join(directory, 'lock')
    nodeFs.writeFileSync(path, '')
    nodeFs.chownSync(path, 1, 2)
    nodeFs.chmodSync(path, 0o664)
    await (await fs.lock(path)).release()
    expect([ownerOf(path), modeOf(path)]).toEqual(['1:2', '664'])
  })
})
