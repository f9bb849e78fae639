/** The logs that the pages show, written by this process. */
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ManualClock, NodeFileSystem, Random } from '@sq/sim'
import { WalWriter } from '@sq/storage'
import type { RecordInput } from '@sq/storage'

const START_MS = Date.UTC(2026, 10, 22)

/** Texts that would run a script if a page took them for markup. Each sets `window.harmed`. */
export const HOSTILE: readonly string[] = [
  '<script>window.harmed=1</script>',
  '<img src=x onerror="window.harmed=1">',
  '<svg onload="window.harmed=1">',
  '"><script>window.harmed=1</script>',
  "'-(window.harmed=1)-'",
  '</script><script>window.harmed=1</script>',
  '</title><script>window.harmed=1</script>',
  '<!--<script>window.harmed=1</script>',
  '<iframe srcdoc="<script>parent.harmed=1</script>">',
  'javascript:window.harmed=1',
  '<a href="javascript:window.harmed=1">a</a>',
  '<style>@import "http://example.com/x.css";</style>',
  '<link rel=stylesheet href=http://example.com/x.css>',
  '<img src=http://example.com/x.png>',
  '<base href=http://example.com/>',
  '<meta http-equiv=refresh content="0;url=http://example.com/">',
  '{{constructor.constructor("window.harmed=1")()}}',
  '${window.harmed=1}',
  '&lt;script&gt;window.harmed=1&lt;/script&gt;',
  '\u202E\u0000\u001B[31mtext\u2028',
]

export function openLog(dataDir: string, topic: string, maxSegmentBytes = 200_000): Promise<WalWriter> {
  const options = { clock: new ManualClock(START_MS), random: new Random(1) }
  return WalWriter.open(new NodeFileSystem(), { dataDir, maxSegmentBytes }, topic, 0, options)
}

/**
 * `web/0` with 100,000 records, `damaged/0` with a pause and a byte that has changed, `hostile/0`, and `audit/0` without
 * a record.
 */
export async function makeLogs(dataDir: string): Promise<void> {
  await makeVisits(await openLog(dataDir, 'web'), 100_000)
  await makeVisits(await openLog(dataDir, 'damaged'), 30_000)
  await damage(join(dataDir, 'damaged/0'))
  const hostile = await openLog(dataDir, 'hostile')
  for (const text of HOSTILE) {
    const bytes = Buffer.from(text)
    await hostile.append(bytes, bytes, [{ key: text, value: bytes }], START_MS)
    await hostile.append(bytes, Buffer.from(JSON.stringify({ [text]: text })), [], START_MS)
  }
  await hostile.close()
  await (await openLog(dataDir, 'audit')).close()
}

/** Visits of a site, with busy times and a pause. */
async function makeVisits(writer: WalWriter, records: number): Promise<void> {
  const random = new Random(7)
  let timestampMs = START_MS
  let isBeforePause = true
  for (let offset = 0, count = 0; offset < records; offset += count) {
    const isBusy = offset % 12_000 < 5000
    const [first, isPause] = [offset, isBeforePause && offset > records / 2]
    if (isPause) isBeforePause = false
    count = Math.min(1 + random.int(isBusy ? 400 : 60), records - offset)
    timestampMs += isPause ? 3_600_000 : random.int(isBusy ? 2000 : 9000)
    await writer.appendBatch(Array.from({ length: count }, (_, at) => visitOf(first + at, timestampMs, random)))
  }
  await writer.close()
}

/** Changes a byte in a record, past the middle of the log. */
async function damage(directory: string): Promise<void> {
  const names = (await readdir(directory)).filter((name) => name.endsWith('.wal')).toSorted()
  const path = join(directory, names[Math.floor(0.6 * names.length)] ?? '')
  const bytes = await readFile(path)
  const at = Math.floor(bytes.length / 2)
  bytes[at] = 0xff ^ (bytes[at] ?? 0)
  await writeFile(path, bytes)
}

function visitOf(offset: number, timestampMs: number, random: Random): RecordInput {
  const path = ['/', '/orders', '/orders/new', '/login', '/search'][random.int(5)] ?? '/'
  const value = { id: offset, path, status: random.int(40) === 0 ? 500 : 200, took: random.int(300) }
  const key = Buffer.from(`user ${random.int(400)}`)
  return { key, value: Buffer.from(JSON.stringify(value)), headers: [], timestampMs }
}
