/** A log as a killed process leaves it: rotated once, with an unconfirmed last commit and a torn one after it. */
import { appendFile, cp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { WitnessedLog } from '../torture/witnessed-log.ts'
import { PARTITION, TOPIC } from '../log/log-under-test.ts'
import type { Contents } from '../history.ts'

/** Creates one in `dataDir`, which must not exist. Resolves with its serial numbers, which count from 0. */
export async function makeCrashedLog(dataDir: string): Promise<Contents> {
  const living = `${dataDir}-living`
  const log = new WitnessedLog(living)
  await log.open()
  await log.append(2)
  await log.rotate()
  await log.append(1)
  await log.append(2)
  await cp(living, dataDir, { recursive: true })
  await log.close()
  await rm(living, { recursive: true })
  const directory = join(dataDir, TOPIC, String(PARTITION))
  await appendFile(join(directory, `${'2'.padStart(20, '0')}.wal`), Buffer.alloc(100, 'torn'))
  await writeFile(join(directory, 'next.tmp'), 'left behind')
  return log.history.acknowledged
}
