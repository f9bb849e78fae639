/** The native code that takes locks is what `docs/SECURITY.md` says it is, byte for byte. */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { ROOT } from './source-tree.ts'

const sim = createRequire(join(ROOT, 'packages/sq-sim/package.json'))
const prebuilds = join(dirname(sim.resolve('fs-native-extensions')), 'prebuilds')
const page = readFileSync(join(ROOT, 'docs/SECURITY.md'), 'utf8')
const recorded = Array.from(page.matchAll(/^\| `([\w-]+)` \| `([0-9a-f]{64})` \|$/gm), ([, platform = '', hash]) => [
  platform,
  hash,
])

test('each binding for a server or a desktop has the hash that is recorded', () => {
  const platforms = readdirSync(prebuilds).filter((name) => /^(linux|darwin|win32)-/.test(name))
  const found = platforms.map((platform) => {
    const code = readFileSync(join(prebuilds, platform, 'fs-native-extensions.node'))
    return [platform, createHash('sha256').update(code).digest('hex')]
  })
  expect(found).toEqual(recorded)
})

test('the version that is recorded is the one that @sq/sim depends on', () => {
  const { dependencies }: { dependencies: Record<string, string> } = sim('./package.json')
  expect(page).toContain(`\`fs-native-extensions\` ${dependencies['fs-native-extensions']}`)
})
