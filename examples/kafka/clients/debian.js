/**
 * Clients of Kafka from the Debian mirror of this machine: kcat, and Python with two. They are unpacked with everything
 * they need into a folder that is kept between runs. Nothing is installed into the system. The checks on a real S3
 * server fetch theirs in the same way (`gateway-packages.ts`): an example imports no tool of this repository.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { cleanEnvironment } from '../../clean-environment.js'

/** What is fetched for these tests. */
export const CACHE = fileURLToPath(new URL('../../../node_modules/.cache/sq-kafka-clients', import.meta.url))
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'

/** kafka-python compresses with the last three. */
const PYTHON_PACKAGES = [
  'python3-confluent-kafka',
  'python3-kafka',
  'python3-lz4',
  'python3-snappy',
  'python3-zstandard',
]

/** The clients cannot be had here. The message says why, in one line. */
export class UnavailableError extends Error {
  /** @override */
  name = 'UnavailableError'
}

/** How to start a program of them: a command, to which its arguments are added, and what it needs in its environment. */
/** @typedef {{ command: string[], env: Record<string, string>, cwd?: string }} Program */

/**
 * Rejects with an `UnavailableError`.
 *
 * @returns {Promise<Program>}
 */
export async function kcatProgram() {
  const root = join(CACHE, 'kcat')
  if (!existsSync(root)) await fetchInto(root, ['kcat'])
  return { command: [...(await loaderIn(root)), join(root, 'usr/bin/kcat')], env: {} }
}

/**
 * A Python with its clients. Rejects with an `UnavailableError`.
 *
 * @returns {Promise<Program>}
 */
export async function pythonProgram() {
  const root = join(CACHE, 'python')
  if (!existsSync(root)) await fetchInto(root, PYTHON_PACKAGES)
  const python = (await readdir(join(root, 'usr/bin'))).find((name) => /^python3\.\d+$/.test(name)) ?? ''
  const env = { PYTHONHOME: join(root, 'usr'), PYTHONPATH: join(root, 'usr/lib/python3/dist-packages') }
  return { command: [...(await loaderIn(root)), join(root, 'usr/bin', python)], env }
}

/**
 * What a program that was unpacked into a folder is started with.
 *
 * @param {string} root
 */
async function loaderIn(root) {
  const [architecture] = (await readdir(join(root, 'usr/lib'))).filter((name) => name.endsWith('-linux-gnu'))
  const folders = ['lib', 'usr/lib'].map((name) => join(root, name, architecture ?? ''))
  const names = await readdir(folders[0] ?? '')
  const loader = names.find((name) => /^ld-linux.*\.so\.\d+$/.test(name)) ?? ''
  return [join(folders[0] ?? '', loader), '--library-path', folders.join(':')]
}

/**
 * @param {string} root
 * @param {string[]} packages with everything they need
 */
async function fetchInto(root, packages) {
  const [mirror, suite] = await debianMirror()
  await mkdir(CACHE, { recursive: true })
  const work = await mkdtemp(join(CACHE, 'fetch-'))
  try {
    await download(work, `deb [signed-by=${KEYRING}] ${mirror} ${suite} main\n`, packages)
    const files = await readdir(join(work, 'packages'))
    for (const name of files) await run('dpkg-deb', ['-x', join(work, 'packages', name), join(work, 'root')])
    // Another process may have been faster.
    await rename(join(work, 'root'), root).catch((error) => {
      if (!existsSync(root)) throw error
    })
  } catch (error) {
    throw new UnavailableError(`fetching them failed: ${messageOf(error)}`)
  } finally {
    await rm(work, { recursive: true })
  }
}

/** The mirror and the release of Debian that apt uses on this machine. */
async function debianMirror() {
  const query = ['indextargets', '--format', '$(REPO_URI) $(RELEASE)', 'Created-By: Packages']
  const listed = await run('apt-get', query).catch((error) => {
    throw new UnavailableError(`apt-get is needed to fetch them: ${messageOf(error)}`)
  })
  const found = /^(\S+\/debian\/?) (\S+)$/m.exec(listed)
  if (found === null || !existsSync(KEYRING))
    throw new UnavailableError('they can only be fetched on Debian, with its mirror')
  return found.slice(1)
}

/**
 * @param {string} work
 * @param {string} source the line of the mirror
 * @param {string[]} packages
 */
async function download(work, source, packages) {
  for (const name of ['lists/partial', 'archives/partial', 'packages', 'root']) {
    await mkdir(join(work, name), { recursive: true })
  }
  await writeFile(join(work, 'sources.list'), source)
  // Nothing counts as installed, so that everything it needs is fetched, too.
  await writeFile(join(work, 'status'), '')
  const settings = {
    'Dir::State': work,
    'Dir::State::status': join(work, 'status'),
    'Dir::Cache': work,
    'Dir::Etc::sourcelist': join(work, 'sources.list'),
    'Dir::Etc::sourceparts': '/dev/null',
    'Dir::Etc::preferencesparts': '/dev/null',
    'APT::Sandbox::User': 'root',
    'APT::Install-Recommends': 'false',
    'Acquire::Languages': 'none',
  }
  const options = Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`])
  await run('apt-get', ['-qq', ...options, 'update'], work)
  const plan = await run('apt-get', ['-qq', ...options, '--simulate', 'install', ...packages], work)
  const names = Array.from(plan.matchAll(/^Inst (\S+)/gm), ([, name = '']) => name)
  await run('apt-get', ['-qq', ...options, 'download', ...names], join(work, 'packages'))
}

/**
 * Resolves with what a program prints. Rejects if it fails.
 *
 * @param {string} program
 * @param {string[]} args
 * @param {string} [cwd]
 */
export async function run(program, args, cwd) {
  // Where the registry is, and how to get there.
  const network = Object.entries(process.env).filter(([name]) =>
    /^npm_config_|_proxy$|^ssl_|^node_extra_ca/i.test(name),
  )
  const child = spawn(program, args, {
    ...(cwd !== undefined && { cwd }),
    env: cleanEnvironment({ ...Object.fromEntries(network), LC_ALL: 'C' }),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  if (child.exitCode !== 0) throw new Error(`${program} failed: ${err.trim().split('\n').at(-1) ?? ''}`)
  return out
}

/** @param {unknown} error */
function messageOf(error) {
  return error instanceof Error ? error.message : String(error)
}
