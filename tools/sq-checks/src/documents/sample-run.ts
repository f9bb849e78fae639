/** Runs a program of a page as a reader would: in an empty directory, with the built packages. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cleanEnvironment } from '../clean-environment.ts'
import { ROOT } from '../source-tree.ts'

/** Returns its output. If the program fails, throws an error with its stderr. */
export function runSample(code: string): string {
  const place = mkdtempSync(join(tmpdir(), 'sq-sample-'))
  try {
    mkdirSync(join(place, 'node_modules/@sq'), { recursive: true })
    for (const name of ['archive', 'sim', 'storage']) {
      symlinkSync(join(ROOT, `packages/sq-${name}`), join(place, 'node_modules/@sq', name))
    }
    writeFileSync(join(place, 'sample.mjs'), code)
    const options = { cwd: place, encoding: 'utf8', env: cleanEnvironment() } as const
    const { status, stdout, stderr } = spawnSync(process.execPath, ['sample.mjs'], options)
    if (status !== 0) throw new Error(stderr)
    return stdout
  } finally {
    rmSync(place, { recursive: true })
  }
}
