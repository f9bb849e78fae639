/** `pnpm release:rehearse`: makes a release in a copy of the repository, prints it, and checks it. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { main, outputOf } from '../command.ts'
import { hasOwnNews, newestEntry } from './changelog.ts'
import { changesSinceRelease } from './last-release.ts'
import { judge } from './pending-release.ts'
import type { Verdict } from './pending-release.ts'
import { publicPackages } from './public-package.ts'
import type { PublicPackage } from './public-package.ts'
import { reportOf } from './rehearsal-report.ts'
import { pack } from './tarball.ts'
import type { Tarball } from './tarball.ts'
import { tarballFaults } from './tarball-faults.ts'
import { withWorkingCopy } from './working-copy.ts'

await main(async () => {
  const faults = await withWorkingCopy(rehearse)
  for (const fault of faults) process.stdout.write(`FAULT: ${fault}\n`)
  return faults.length === 0
})

/** Makes the release in a copy, prints it, and resolves with its faults. */
async function rehearse(copy: string): Promise<string[]> {
  const packages = await publicPackages(copy)
  const changes = await Promise.all(packages.map((one) => changesSinceRelease(copy, one)))
  if (await hasChangesets(copy)) await outputOf('pnpm', ['exec', 'changeset', 'version'], { cwd: copy })
  else process.stdout.write('there are no changesets\n\n')
  const versions = new Map((await publicPackages(copy)).map(({ name, version }) => [name, version]))
  await outputOf('pnpm', ['build'], { cwd: copy })
  const wrong: string[] = []
  const published: string[] = []
  for (const [index, one] of packages.entries()) {
    const tarball = await pack(copy, one)
    const verdict = await tellOf(copy, { one, changed: changes[index], tarball })
    wrong.push(...(verdict.fault === undefined ? [] : [verdict.fault]), ...tarballFaults(tarball, versions))
    if (verdict.publishes) published.push(`${one.name} ${tarball.manifest.version}`)
  }
  process.stdout.write(`would be published: ${published.length === 0 ? 'nothing' : published.join(', ')}\n`)
  return wrong
}

interface Rehearsed {
  readonly one: PublicPackage
  readonly changed: readonly string[] | undefined
  readonly tarball: Tarball
}

async function tellOf(copy: string, { one, changed, tarball }: Rehearsed): Promise<Verdict> {
  const { name, folder, version: before } = one
  const after = tarball.manifest.version
  const news = before === after ? '' : newestEntry(await readFile(join(copy, folder, 'CHANGELOG.md'), 'utf8'))
  process.stdout.write(`${reportOf({ name, before, after, news, tarball })}\n\n`)
  const shipped = tarball.files.map(({ path }) => path)
  const verdict = judge({ name, before, after, named: hasOwnNews(news), changed, shipped })
  if (verdict.note !== undefined) process.stdout.write(`note: ${verdict.note}\n\n`)
  return verdict
}

async function hasChangesets(root: string): Promise<boolean> {
  const names = await readdir(join(root, '.changeset'))
  return names.some((name) => name.endsWith('.md') && name !== 'README.md')
}
