/** `NodeFileSystem` opens regular files, and refuses everything else. */
import { execFileSync } from 'node:child_process'
import * as nodeFs from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { NodeFileSystem } from './node-file-system.ts'

const fs = new NodeFileSystem()
let directory = ''
beforeEach(() => {
  directory = nodeFs.mkdtempSync(join(tmpdir(), 'sq-sim-'))
})
afterEach(() => nodeFs.rmSync(directory, { recursive: true }))

function makeSocket(path: string): Promise<void> {
  // A server removes its socket when it closes. A second hard link to the socket stays.
  const server = createServer()
  return new Promise((resolve) => {
    server.listen(`${path}.bound`, () => {
      nodeFs.linkSync(`${path}.bound`, path)
      server.close(() => resolve())
    })
  })
}

interface Kind {
  readonly name: string
  readonly make: (path: string) => unknown
  readonly code: string
  readonly says: string
  readonly kind: string
}

const kinds: readonly Kind[] = [
  {
    name: 'a FIFO',
    make: (path) => execFileSync('mkfifo', [path], { env: {} }),
    code: 'EFTYPE',
    says: 'EFTYPE: it is a FIFO, not a regular file',
    kind: 'other',
  },
  {
    name: 'a socket',
    make: makeSocket,
    code: 'EFTYPE',
    says: 'EFTYPE: it is a socket, not a regular file',
    kind: 'other',
  },
  {
    name: 'a link to a file',
    make(path) {
      nodeFs.writeFileSync(`${path}.target`, 'kept')
      nodeFs.symlinkSync(`${path}.target`, path)
    },
    code: 'ELOOP',
    says: 'ELOOP: it is a symbolic link, not a regular file',
    kind: 'link',
  },
  {
    name: 'a link to nothing',
    make: (path) => nodeFs.symlinkSync(`${path}.target`, path),
    code: 'ELOOP',
    says: 'ELOOP: it is a symbolic link, not a regular file',
    kind: 'link',
  },
  {
    name: 'a link to itself',
    make: (path) => nodeFs.symlinkSync(path, path),
    code: 'ELOOP',
    says: 'ELOOP: it is a symbolic link, not a regular file',
    kind: 'link',
  },
  {
    name: 'a link to a device',
    make: (path) => nodeFs.symlinkSync('/dev/zero', path),
    code: 'ELOOP',
    says: 'ELOOP: it is a symbolic link, not a regular file',
    kind: 'link',
  },
  {
    name: 'a directory',
    make: (path) => nodeFs.mkdirSync(path),
    code: 'EISDIR',
    says: 'EISDIR: it is a directory, not a regular file',
    kind: 'directory',
  },
]

const opened = [
  ['open for reading', (path: string) => fs.open(path, 'read')],
  ['open for writing', (path: string) => fs.open(path, 'read-write')],
  ['lock', (path: string) => fs.lock(path)],
  ['lock with unlocked: true', (path: string) => new NodeFileSystem({ unlocked: true }).lock(path)],
] as const

describe.runIf(process.platform === 'linux').each(kinds)('$name', ({ make, code, says, kind }) => {
  it.each(opened)('is refused by %s, at once, and not followed', async (_, open) => {
    const path = join(directory, 'it')
    await make(path)
    const names = nodeFs.readdirSync(directory)
    // More often than there are threads in the pool, all of which could be blocked.
    for (let nth = 0; nth < 6; nth++) {
      await expect(open(path)).rejects.toMatchObject({ code, path, message: expect.stringContaining(says) })
    }
    expect(nodeFs.readdirSync(directory)).toEqual(names)
    expect(await fs.stat(path)).toMatchObject({ kind })
  })

  it('is not given a second name by link', async () => {
    const path = join(directory, 'it')
    await make(path)
    const refusal = { code: kind === 'directory' ? 'EPERM' : code, path }
    await expect(fs.link(path, join(directory, 'other'))).rejects.toMatchObject(refusal)
    expect(nodeFs.existsSync(join(directory, 'other'))).toBe(false)
  })

  it('is not replaced by create, and rename and unlink affect only its name', async () => {
    const path = join(directory, 'it')
    await make(path)
    await expect(fs.open(path, 'create')).rejects.toMatchObject({ code: 'EEXIST' })
    await fs.rename(path, join(directory, 'moved'))
    expect(await fs.stat(join(directory, 'moved'))).toMatchObject({ kind })
    if (kind !== 'directory') await fs.unlink(join(directory, 'moved'))
    const target = `${path}.target`
    if (nodeFs.existsSync(target)) expect(nodeFs.readFileSync(target, 'utf8')).toBe('kept')
    expect(nodeFs.existsSync(path)).toBe(false)
  })
})

describe.runIf(process.platform === 'linux')('a device', () => {
  it.each(opened.slice(0, 2))('is refused by %s', async (_, open) => {
    const refusal = { code: 'EFTYPE', message: expect.stringContaining('EFTYPE: it is a device, not a regular file') }
    await expect(open('/dev/zero')).rejects.toMatchObject(refusal)
  })
})

it('a link in the path is followed, and a loop of links gives the error of the system', async () => {
  nodeFs.mkdirSync(join(directory, 'real'))
  nodeFs.symlinkSync('real', join(directory, 'way'))
  nodeFs.symlinkSync('loop', join(directory, 'loop'))
  await (await fs.open(join(directory, 'way', 'file'), 'create')).close()
  expect(await fs.stat(join(directory, 'way', 'file'))).toMatchObject({ kind: 'file' })
  await expect(fs.open(join(directory, 'loop', 'file'), 'read')).rejects.toThrow('ELOOP: too many symbolic links')
})
