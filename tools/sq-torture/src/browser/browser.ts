/**
 * A real browser for the pages of `sq-wal`: the one at `SQ_CHROMIUM`, else Chromium from the packages of this machine's
 * release of Debian.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import type { Browser } from 'playwright-core'
import { cleanEnvironment } from '../clean-environment.ts'
import { debianPackages, NoPackagesError } from '../debian-packages.ts'

/** Resolves with a running browser. Rejects with `NoPackagesError` where none can be had. */
export async function openBrowser(signal: AbortSignal): Promise<Browser> {
  const own = process.env['SQ_CHROMIUM']
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : []
  if (own !== undefined) return chromium.launch({ executablePath: own, args, env: environment() })
  const packages = ['chromium', 'fonts-dejavu-core']
  const root = await debianPackages({ name: 'sq-chromium', packages, suites: [await codename()] }, signal)
  const libraries = ['usr/lib/x86_64-linux-gnu', 'lib/x86_64-linux-gnu', 'usr/lib/x86_64-linux-gnu/pulseaudio']
  return chromium.launch({
    executablePath: join(root, 'usr/lib/chromium/chromium'),
    args,
    env: environment({
      LD_LIBRARY_PATH: libraries.map((folder) => join(root, folder)).join(':'),
      FONTCONFIG_SYSROOT: root,
    }),
  })
}

function environment(own: Readonly<Record<string, string>> = {}): Record<string, string> {
  const entries = Object.entries({ ...cleanEnvironment(), ...own })
  return Object.fromEntries(entries.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])))
}

/** The release of this machine, whose packages run with its C library. */
async function codename(): Promise<string> {
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '')
  const [, name] = /^VERSION_CODENAME=(\w+)$/m.exec(release) ?? []
  if (name === undefined || !/^ID=debian$/m.test(release)) {
    throw new NoPackagesError('one can only be fetched on Debian, with its mirror in the sources of apt')
  }
  return name
}
