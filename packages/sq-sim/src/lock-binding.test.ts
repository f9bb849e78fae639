/** Where the native binding is found, and the error if it is not. The programs run the built code. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

const DIST = fileURLToPath(new URL('../dist', import.meta.url))
const BINDING = fileURLToPath(new URL('../node_modules/fs-native-extensions', import.meta.url))

let directory: string
/** A copy of the built code, in a directory without packages. */
let alone: string

beforeEach(async () => {
  directory = await realpath(await mkdtemp(join(tmpdir(), 'sq-lock-binding-')))
  alone = join(directory, 'alone/dist')
  await cp(DIST, alone, { recursive: true })
  await writeFile(join(directory, 'alone/package.json'), '{ "type": "module" }')
})
afterEach(() => rm(directory, { recursive: true }))

/** Writes a program that takes a lock, and runs it in an empty environment. */
async function lockIn(
  folder: string,
  { dist = DIST, cwd = '.', before = '', args = [''], shell = '' },
): Promise<string> {
  const program = join(directory, folder, 'main.mjs')
  await mkdir(dirname(program), { recursive: true })
  await writeFile(
    program,
    `import { fstatSync } from 'node:fs'
    import { createRequire } from 'node:module'
    import { NodeFileSystem } from '${pathToFileURL(join(dist, 'index.js')).href}'
    ${before}
    const lock = await new NodeFileSystem().lock('lock').catch((error) => console.log(error.code + '|' + error.message))
    if (lock !== undefined) console.log('locked')
    await lock?.release()`,
  )
  const command = [process.execPath, ...args.filter((arg) => arg !== ''), program]
  const options = { cwd: join(directory, cwd), env: {}, stdio: 'pipe' } as const
  const child =
    shell === ''
      ? spawn(command[0] ?? '', command.slice(1), options)
      : spawn('/bin/sh', ['-c', shell, ...command], options)
  child.stdin.end()
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return output + errors
}

/** The program makes Node resolve symbolic links for CommonJS, and then looks at its standard input. */
const LOOKED_AT_INPUT = `createRequire('${join(DIST, 'index.js')}')('../package.json'); fstatSync(0)`

describe('a program', () => {
  // The binding is a symbolic link in `node_modules`, as in the layouts of pnpm and of `npm --install-strategy=linked`.
  test.each([
    ['a pipe', 'echo x | "$0" "$1"'],
    ['a socket', ''],
    ['a file', '"$0" "$1" < "$1"'],
  ])('that has just looked at %s takes a lock', async (_, shell) => {
    expect(await lockIn('any', { before: LOOKED_AT_INPUT, shell })).toBe('locked\n')
  })

  test('whose main script finds the binding takes a lock, wherever the code of the log is', async () => {
    await mkdir(join(directory, 'app/node_modules'), { recursive: true })
    await symlink(BINDING, join(directory, 'app/node_modules/fs-native-extensions'))
    expect(await lockIn('app/bin', { dist: alone, before: LOOKED_AT_INPUT })).toBe('locked\n')
  })

  test("loads no binding from its working directory, which may be somebody else's", async () => {
    await mkdir(join(directory, 'other/node_modules'), { recursive: true })
    await symlink(BINDING, join(directory, 'other/node_modules/fs-native-extensions'))
    expect(await lockIn('any', { dist: alone, cwd: 'other' })).toContain('ENOLOCK|')
  })
})

test.each([
  ['node -e', ['-e']],
  ['node --input-type=module -e', ['--input-type=module', '-e']],
])('a program that is given to %s takes a lock', async (_, args) => {
  const program = `import('${pathToFileURL(join(DIST, 'index.js')).href}')
    .then(({ NodeFileSystem }) => new NodeFileSystem().lock('lock'))
    .then((lock) => lock.release().then(() => console.log('locked')))`
  const child = spawn(process.execPath, [...args, program], { cwd: directory, env: {}, stdio: 'pipe' })
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  expect(output + errors).toBe('locked\n')
})

describe('ENOLOCK', () => {
  test('says what to install next to a bundle if there is no binding', async () => {
    const told = await lockIn('any', { dist: alone })
    expect(told.trimEnd().split('\n')).toHaveLength(1)
    expect(told).toContain("ENOLOCK|ENOLOCK: cannot lock 'lock': the package fs-native-extensions was not found")
    expect(told).toContain(`from ${join(alone, 'required-package.js')} or ${join(directory, 'any/main.mjs')}. `)
    expect(told).toContain('fs-native-extensions is not in a bundle: install it where the bundle runs')
    expect(told).not.toContain('unlocked')
  })

  test.each([
    ['its prebuilt files', 'prebuilds'],
    ['what it depends on', 'node_modules'],
  ])('where the binding lacks %s says that it must be whole', async (_, missing) => {
    const installed = join(directory, 'app/node_modules/fs-native-extensions')
    await cp(await realpath(BINDING), installed, { recursive: true })
    if (missing === 'prebuilds') {
      await rm(join(installed, missing), { recursive: true })
      await symlink(dirname(await realpath(BINDING)), join(installed, 'node_modules'))
    }
    const told = await lockIn('app', { dist: alone })
    expect(told).toMatch(/^ENOLOCK\|.*Cannot find .*Install fs-native-extensions whole where this program runs/)
    expect(told).not.toContain('unlocked')
  })

  test('says what allows native code if Node may not load any', async () => {
    const told = await lockIn('any', { args: ['--no-addons'] })
    expect(told).toMatch(
      /^ENOLOCK\|.*loading addons is disabled.*Start Node without --no-addons, or with --allow-addons/,
    )
    expect(told).not.toContain('unlocked')
  })

  test('says how to run without locks if the system has no binding', async () => {
    const fake = `Object.defineProperty(process, 'arch', { value: 'riscv64' })`
    const told = await lockIn('any', { args: ['--import', `data:text/javascript,${encodeURIComponent(fake)}`] })
    expect(told).toMatch(/^ENOLOCK\|.*Cannot find addon.*pass new NodeFileSystem\({ unlocked: true }\)/)
  })

  test.each(['Deno', 'Bun'])(
    'in %s, which the binding would crash, is thrown before the binding is loaded',
    async (runtime) => {
      const versions = `{ ...process.versions, ${runtime.toLowerCase()}: '1.0.0' }`
      const fake = `Object.defineProperty(process, 'versions', { value: ${versions} })`
      const told = await lockIn('any', { args: ['--import', `data:text/javascript,${encodeURIComponent(fake)}`] })
      expect(told).toMatch(/^ENOLOCK\|.*the native binding would end (Deno|Bun)\. Run this program with Node\.\n$/)
    },
  )
})
