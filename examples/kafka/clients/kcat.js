/**
 * kcat, a client of Kafka made with librdkafka, from the Debian mirror of this machine. It is unpacked with everything it
 * needs into a folder that is kept between runs. Nothing is installed into the system.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { cleanEnvironment } from '../../clean-environment.js'

const CACHE = fileURLToPath(new URL('../../../node_modules/.cache/sq-kcat', import.meta.url))
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'

/** kcat cannot be had here. The message says why, in one line. */
export class NoKcatError extends Error {
  /** @override */
  name = 'NoKcatError'
}

/** The command that runs kcat, without its options. Rejects with `NoKcatError`. */
export async function kcatCommand() {
  const root = join(CACHE, 'root')
  if (!existsSync(root)) await fetchInto(root)
  const [architecture] = (await readdir(join(root, 'usr/lib'))).filter((name) => name.endsWith('-linux-gnu'))
  const folders = ['lib', 'usr/lib'].map((name) => join(root, name, architecture ?? ''))
  const names = await readdir(folders[0] ?? '')
  const loader = names.find((name) => /^ld-linux.*\.so\.\d+$/.test(name)) ?? ''
  return [join(folders[0] ?? '', loader), '--library-path', folders.join(':'), join(root, 'usr/bin/kcat')]
}

/** @param {string} root */
async function fetchInto(root) {
  const [mirror, suite] = await debianMirror()
  await mkdir(CACHE, { recursive: true })
  const work = await mkdtemp(join(CACHE, 'fetch-'))
  try {
    await download(work, `deb [signed-by=${KEYRING}] ${mirror} ${suite} main\n`)
    const packages = await readdir(join(work, 'packages'))
    for (const name of packages) await run('dpkg-deb', ['-x', join(work, 'packages', name), join(work, 'root')])
    // Another process may have been faster.
    await rename(join(work, 'root'), root).catch((error) => {
      if (!existsSync(root)) throw error
    })
  } catch (error) {
    throw new NoKcatError(`fetching it failed: ${messageOf(error)}`)
  } finally {
    await rm(work, { recursive: true })
  }
}

/** The mirror and the release of Debian that apt uses on this machine. */
async function debianMirror() {
  const query = ['indextargets', '--format', '$(REPO_URI) $(RELEASE)', 'Created-By: Packages']
  const listed = await run('apt-get', query).catch((error) => {
    throw new NoKcatError(`apt-get is needed to fetch it: ${messageOf(error)}`)
  })
  const found = /^(\S+\/debian\/?) (\S+)$/m.exec(listed)
  if (found === null || !existsSync(KEYRING)) throw new NoKcatError('it can only be fetched on Debian, with its mirror')
  return found.slice(1)
}

/**
 * @param {string} work
 * @param {string} source the line of the mirror
 */
async function download(work, source) {
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
  const plan = await run('apt-get', ['-qq', ...options, '--simulate', 'install', 'kcat'], work)
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
async function run(program, args, cwd) {
  const proxies = Object.fromEntries(['http_proxy', 'https_proxy', 'no_proxy'].map((name) => [name, process.env[name]]))
  const child = spawn(program, args, {
    ...(cwd !== undefined && { cwd }),
    env: cleanEnvironment({ ...proxies, LC_ALL: 'C' }),
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
