/**
 * Fetches packages with everything they need from the Debian mirror of this machine, into a folder that is kept between
 * runs. Nothing is installed into the system.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { cleanEnvironment } from './clean-environment.ts'

const CACHE = fileURLToPath(new URL('../../../node_modules/.cache', import.meta.url))
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'
/** Not needed to run the programs. */
const UNUSED = ['doc', 'man', 'locale'].map((name) => `usr/share/${name}`)

/** The packages cannot be had here. The message says why, in one line. */
export class NoPackagesError extends Error {
  override readonly name = 'NoPackagesError'
}

export interface WantedPackages {
  /** The name of the folder in which they are kept. */
  readonly name: string
  readonly packages: readonly string[]
  /** The releases of Debian to look in, one after the other. */
  readonly suites: readonly string[]
}

/** The folder in which the packages are unpacked. Rejects with `NoPackagesError`. */
export async function debianPackages(wanted: WantedPackages, signal: AbortSignal): Promise<string> {
  const cache = join(CACHE, wanted.name)
  const root = join(cache, 'root')
  if (await exists(root)) return root
  await mkdir(cache, { recursive: true })
  const mirror = await debianMirror(signal)
  const work = await mkdtemp(join(cache, 'fetch-'))
  try {
    const unpacked = await fetchFrom(mirror, { work, ...wanted }, signal)
    // Another process may have been faster.
    await rename(unpacked, root).catch(async (error: unknown) => {
      if (!(await exists(root))) throw error
    })
    return root
  } finally {
    await rm(work, { recursive: true })
  }
}

/** The Debian mirror that apt uses on this machine. */
async function debianMirror(signal: AbortSignal): Promise<string> {
  const query = ['indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages']
  const listed = await output('apt-get', query, signal).catch((error: unknown) => {
    throw new NoPackagesError(`apt-get is needed to fetch one: ${messageOf(error)}`)
  })
  const mirror = listed.split('\n').find((uri) => /\/debian\/?$/.test(uri))
  if (mirror === undefined || !(await exists(KEYRING))) {
    throw new NoPackagesError('one can only be fetched on Debian, with its mirror in the sources of apt')
  }
  return mirror
}

/** Unpacks the packages of the first release that has them, and resolves with the folder. */
async function fetchFrom(
  mirror: string,
  { work, suites, packages }: WantedPackages & { work: string },
  signal: AbortSignal,
): Promise<string> {
  const errors: unknown[] = []
  for (const suite of suites) {
    const folder = join(work, suite)
    try {
      await download({ mirror, suite, packages, folder }, signal)
      return await unpack(folder, signal)
    } catch (error) {
      signal.throwIfAborted()
      errors.push(error)
    }
  }
  throw new NoPackagesError(`fetching it failed: ${messageOf(errors[0])}`)
}

interface Download {
  readonly mirror: string
  readonly suite: string
  readonly packages: readonly string[]
  readonly folder: string
}

async function download({ mirror, suite, packages, folder }: Download, signal: AbortSignal): Promise<void> {
  for (const name of ['lists/partial', 'archives/partial', 'packages', 'root']) {
    await mkdir(join(folder, name), { recursive: true })
  }
  await writeFile(join(folder, 'sources.list'), `deb [signed-by=${KEYRING}] ${mirror} ${suite} main\n`)
  // Nothing counts as installed, so that all dependencies are fetched, too.
  await writeFile(join(folder, 'status'), '')
  const settings = {
    'Dir::State': folder,
    'Dir::State::status': join(folder, 'status'),
    'Dir::Cache': folder,
    'Dir::Etc::sourcelist': join(folder, 'sources.list'),
    'Dir::Etc::sourceparts': '/dev/null',
    'Dir::Etc::preferencesparts': '/dev/null',
    'APT::Sandbox::User': 'root',
    'APT::Install-Recommends': 'false',
    'Acquire::Languages': 'none',
  }
  const apt = (...args: string[]): Promise<string> => {
    const options = Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`])
    return output('apt-get', ['-qq', ...options, ...args], signal, join(folder, 'packages'))
  }
  await apt('update')
  const plan = await apt('--simulate', 'install', ...packages)
  await apt('download', ...Array.from(plan.matchAll(/^Inst (\S+)/gm), ([, name = '']) => name))
}

async function unpack(folder: string, signal: AbortSignal): Promise<string> {
  const root = join(folder, 'root')
  const packages = await readdir(join(folder, 'packages'))
  const work = async (): Promise<void> => {
    for (let name = packages.pop(); name !== undefined; name = packages.pop()) {
      await output('dpkg-deb', ['-x', join(folder, 'packages', name), root], signal)
    }
  }
  await Promise.all([work(), work()])
  for (const name of UNUSED) await rm(join(root, name), { recursive: true, force: true })
  return root
}

/** Resolves with what a program prints. Rejects if it fails. */
async function output(program: string, args: readonly string[], signal: AbortSignal, cwd?: string): Promise<string> {
  const child = spawn(program, args, {
    cwd: cwd ?? dirname(CACHE),
    env: cleanEnvironment({ ...proxies(), LC_ALL: 'C' }),
    stdio: ['ignore', 'pipe', 'pipe'],
    signal,
  })
  const ended = once(child, 'close')
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  if (child.exitCode !== 0) throw new Error(`${program} failed: ${err.trim().split('\n').at(-1) ?? ''}`)
  return out
}

/** What apt needs to reach a mirror from some networks. */
function proxies(): NodeJS.ProcessEnv {
  return Object.fromEntries(['http_proxy', 'https_proxy', 'no_proxy'].map((name) => [name, process.env[name]]))
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
