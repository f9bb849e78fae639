/** The owners and modes of files that `NodeFileSystem` creates. */
import { execFileSync } from 'node:child_process'
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

  it.each(['600', '640', '660', '444'])(
    'like another file has its mode %s, whatever umask and directory',
    async (mode) => {
      const source = join(directory, 'source')
      nodeFs.writeFileSync(source, '')
      nodeFs.chmodSync(source, Number.parseInt(mode, 8))
      const copy = join(directory, 'copy')
      await (await fs.open(copy, 'create', { like: source })).close()
      expect(modeOf(copy)).toBe(mode)
    },
  )

  it('restricts a lock file that was open to others, if this process owns it', async () => {
    const path = join(directory, 'lock')
    nodeFs.writeFileSync(path, '')
    nodeFs.chmodSync(path, 0o664)
    await (await fs.lock(path)).release()
    expect(modeOf(path)).toBe('600')
  })
})

describe.runIf(process.geteuid?.() === 0)('what root makes in a directory of another user', () => {
  beforeEach(() => nodeFs.chownSync(directory, NOBODY, NOBODY))

  it('belongs to that user', async () => {
    await makeAll()
    for (const name of ['file', 'sub', 'sub/below', 'lock']) {
      expect([name, ownerOf(join(directory, name))]).toEqual([name, `${NOBODY}:${NOBODY}`])
    }
  })

  it('has the group of the directory if the directory has the setgid bit', async () => {
    nodeFs.chownSync(directory, NOBODY, 1234)
    nodeFs.chmodSync(directory, 0o2770)
    await makeAll()
    expect(['file', 'sub', 'lock'].map((name) => ownerOf(join(directory, name)))).toEqual(
      Array(3).fill(`${NOBODY}:1234`),
    )
    expect(modeOf(join(directory, 'sub'))).toBe('2750')
  })

  it('like another file has the owner of that file', async () => {
    const source = join(directory, 'source')
    nodeFs.writeFileSync(source, '')
    nodeFs.chownSync(source, 1, 2)
    nodeFs.chmodSync(source, 0o660)
    await (await fs.open(join(directory, 'copy'), 'create', { like: source })).close()
    expect([ownerOf(join(directory, 'copy')), modeOf(join(directory, 'copy'))]).toEqual(['1:2', '660'])
  })

  it('leaves an existing lock file unchanged', async () => {
    const path = join(directory, 'lock')
    nodeFs.writeFileSync(path, '')
    nodeFs.chownSync(path, 1, 2)
    nodeFs.chmodSync(path, 0o664)
    await (await fs.lock(path)).release()
    expect([ownerOf(path), modeOf(path)]).toEqual(['1:2', '664'])
  })

  it('does not change the mode of a lock file that has another name', async () => {
    const path = join(directory, 'lock')
    const other = join(directory, 'other')
    nodeFs.writeFileSync(other, '')
    nodeFs.chmodSync(other, 0o664)
    nodeFs.linkSync(other, path)
    await (await fs.lock(path)).release()
    expect(modeOf(other)).toBe('664')
    nodeFs.unlinkSync(other)
    await (await fs.lock(path)).release()
    expect(modeOf(path)).toBe('600')
  })
})

/**
 * Runs a program as a user, in the user's group and `groups`, and returns its output. It can use `fs` and `directory`.
 */
function runAs(user: number, groups: readonly number[], body: string): string {
  const program = `
    import { NodeFileSystem } from ${JSON.stringify(new URL('../dist/index.js', import.meta.url))}
    // The user may not be able to read the directory of the binding for locks.
    const fs = new NodeFileSystem({ unlocked: true })
    const directory = process.argv[1]
    process.umask(0o007)
    process.setgroups(${JSON.stringify(groups)})
    process.setgid(${user})
    process.setuid(${user})
    ${body}`
  const args = ['--input-type=module', '-e', program, directory]
  return execFileSync(process.execPath, args, { env: {}, encoding: 'utf8' }).trim()
}

describe.runIf(process.geteuid?.() === 0)('what a user makes in a directory of root', () => {
  const GROUP = 1234

  it.each([
    ['a group that the user is in', [GROUP], GROUP],
    ['a group that the user is not in', [], NOBODY],
  ] as const)("is the user's, and in %s", (_, groups, group) => {
    const made = join(directory, 'made')
    nodeFs.chmodSync(directory, 0o755)
    nodeFs.mkdirSync(made)
    nodeFs.chownSync(made, 0, GROUP)
    nodeFs.chmodSync(made, groups.length > 0 ? 0o770 : 0o777)
    const source = join(directory, 'source')
    nodeFs.writeFileSync(source, '')
    nodeFs.chownSync(source, 0, GROUP)
    nodeFs.chmodSync(source, 0o666)
    runAs(
      NOBODY,
      groups,
      `
      const made = directory + '/made'
      await (await fs.open(made + '/file', 'create')).close()
      await (await fs.open(made + '/copy', 'create', { like: directory + '/source' })).close()
      await fs.mkdir(made + '/sub/below')
      await (await fs.lock(made + '/lock')).release()`,
    )
    const names = ['file', 'copy', 'sub', 'sub/below', 'lock']
    expect(names.map((name) => `${name} ${ownerOf(join(made, name))}`)).toEqual(
      names.map((name) => `${name} ${NOBODY}:${group}`),
    )
    // The owner could not be set, so the mode was not copied either.
    expect(modeOf(join(made, 'copy'))).toBe('660')
  })

  it.each([
    [0, ': the lock file belongs to uid 0; a log is written by one user, or by root'],
    [NOBODY, ''],
  ])(
    'cannot be a lock on a file closed to that user; the error names the owner, uid %i, if it is not that user',
    (owner, reason) => {
      const path = join(directory, 'lock')
      nodeFs.writeFileSync(path, '')
      nodeFs.chownSync(path, owner, 0)
      nodeFs.chmodSync(path, owner === 0 ? 0o600 : 0o000)
      nodeFs.chmodSync(directory, 0o755)
      const said = runAs(
        NOBODY,
        [],
        `
      await fs.lock(directory + '/lock').catch((error) => console.log(error.message, error.code))`,
      )
      expect(said).toBe(`EACCES: permission denied, open '${path}'${reason} EACCES`)
    },
  )
})
