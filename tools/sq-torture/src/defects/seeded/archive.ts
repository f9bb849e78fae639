/** Defects of what is said of an archive, what is deleted from it, and what is restored from it. */
import type { Defect } from '../defect.ts'

const ARCHIVE = 'sq-archive/src'

export const ARCHIVE_DEFECTS: readonly Defect[] = [
  {
    name: 'segments that do not continue each other are one log',
    file: `${ARCHIVE}/archived-log.ts`,
    find: 'if (before !== undefined && isSameLink(segment.previous, before.link))',
    replace: 'if (before !== undefined && before.nextOffset === segment.baseOffset)',
  },
  {
    name: 'the checksum at the end of a segment is not compared',
    file: `${ARCHIVE}/segment-link.ts`,
    find: 'return isSameEnd && one.lastPosition === other.lastPosition && one.lastCrc === other.lastCrc',
    replace: 'return isSameEnd',
  },
  {
    name: 'an object of another log is one of this log',
    file: `${ARCHIVE}/archived-log.ts`,
    find: 'if (topic !== place.topic || partition !== place.partition) {',
    replace: 'if (partition !== place.partition) {',
  },
  {
    name: 'the name of an object is not compared with its first offset',
    file: `${ARCHIVE}/archived-log.ts`,
    find: 'if (baseOffset !== object.baseOffset) {',
    replace: 'if (baseOffset < object.baseOffset) {',
  },
  {
    name: 'a segment before a gap is taken for a late upload',
    file: `${ARCHIVE}/archived-log.ts`,
    find: 'run.length > 1 || areLate[at] !== true',
    replace: 'run.length > 1',
  },
  {
    name: 'readers take every segment that does not lead up to the next one for a late upload',
    file: `${ARCHIVE}/late-uploads.ts`,
    find: 'if (next === undefined || areLate[at] !== true) break',
    replace: 'if (next === undefined) break',
  },
  {
    name: 'readers take a late upload for a part of the log',
    file: `${ARCHIVE}/late-uploads.ts`,
    find: '      late.add(segment.key)\n',
    replace: '',
  },
  {
    name: 'retention deletes the last segment of an archive',
    file: `${ARCHIVE}/retention.ts`,
    find: `const KEPT_SEGMENTS = 2`,
    replace: `const KEPT_SEGMENTS = 0`,
  },
  {
    name: 'retention leaves only the last segment of an archive',
    file: `${ARCHIVE}/retention.ts`,
    find: `const KEPT_SEGMENTS = 2`,
    replace: `const KEPT_SEGMENTS = 1`,
  },
  {
    name: 'retention deletes the newest segments first',
    file: `${ARCHIVE}/retention.ts`,
    find: `of [...lateUploads, ...deleted])`,
    replace: `of [...lateUploads, ...deleted].toReversed())`,
  },
  {
    name: 'retention deletes although segments are missing',
    file: `${ARCHIVE}/retention.ts`,
    find: '  if (run !== undefined) throw incomplete(place, run)\n',
    replace: '  if (run !== undefined && run.length === 0) throw incomplete(place, run)\n',
  },
  {
    name: 'retention deletes at the same time, and so in no order',
    file: `${ARCHIVE}/retention.ts`,
    find: `for (const { key } of [...lateUploads, ...deleted]) await store.delete(key)`,
    replace: `await Promise.all([...lateUploads, ...deleted].map(({ key }) => store.delete(key)))`,
  },
  {
    name: 'a restored log appears before it is verified',
    file: `${ARCHIVE}/restore.ts`,
    find: 'return await copyLog(archive, target, topic, partition, { fromOffset: firstWithin(segments, maxBytes) })',
    replace: `const fromOffset = firstWithin(segments, maxBytes)
  const { fs, config } = target
  const folder = \`\${config.dataDir}/\${topic}/\${partition}\`
  await fs.mkdir(folder)
  for (const { key, bytes, baseOffset } of segments) {
    if (baseOffset < fromOffset) continue
    const content = Buffer.alloc(bytes)
    await store.get(key, content, 0)
    const file = await fs.open(\`\${folder}/\${key.slice(-24)}\`, 'create')
    await file.write([content], 0)
    await file.close()
  }
  const bytes = segments.reduce((sum, segment) => sum + segment.bytes, 0)
  return { logStartOffset: fromOffset, logEndOffset: last.nextOffset, segments: segments.length, bytes }`,
  },
  {
    name: 'a log that is begun at the end of an archive does not state the segment before it',
    file: `${ARCHIVE}/restore.ts`,
    find: '{ firstOffset: nextOffset, previous: link }',
    replace: '{ firstOffset: nextOffset }',
  },
  {
    name: 'a restored log begins one segment too late',
    file: `${ARCHIVE}/restore.ts`,
    find: 'if (at > 0 && bytes > maxBytes) break',
    replace: 'if (at > 0 && bytes >= maxBytes - 1) break',
  },
  {
    name: 'an empty log replaces one that is there',
    file: `${ARCHIVE}/restore.ts`,
    find: '  if (isAnother) {',
    replace: '  if (isAnother && found.length === 0) {',
  },
  {
    name: 'verification passes over segments of another log',
    file: `${ARCHIVE}/verify-archive.ts`,
    find: 'damaged.length === 0 && detached.length === 0 &&',
    replace: 'damaged.length === 0 && gaps.length === 0 &&',
  },
  {
    name: 'deep verification does not read',
    file: `${ARCHIVE}/verify-archive.ts`,
    find: 'deep && segments.length > 0 ?',
    replace: 'deep && segments.length < 0 ?',
  },
  {
    name: 'an object that was cut before its first record is a segment',
    file: `${ARCHIVE}/archived-log.ts`,
    find: 'if (nextOffset === baseOffset) throw',
    replace: 'if (nextOffset < baseOffset) throw',
  },
  {
    name: 'verification takes a last segment without a seal as whole',
    file: `${ARCHIVE}/verify-archive.ts`,
    find: 'detached.length === 0 && unsealedEnd === null',
    replace: 'detached.length === 0',
  },
  {
    name: 'a last segment without a seal is restored as the end of the log',
    file: `${ARCHIVE}/restore.ts`,
    find: 'if (maxBytes === Infinity && unsealed !== null) throw',
    replace: 'if (maxBytes < 0 && unsealed !== null) throw',
  },
]
