/** Defects of the archiver: what it uploads, what it takes for archived, and what it deletes locally. */
import type { Defect } from '../defect.ts'

const ARCHIVING = 'sq-archive/src/archiving'

export const ARCHIVING_DEFECTS: readonly Defect[] = [
  {
    name: 'an upload of unknown outcome counts as archived',
    file: `${ARCHIVING}/log-archiver.ts`,
    find: '      await upload.attempt(source)\n',
    replace: `      await upload.attempt(source).catch((error: unknown) => {
        if (error instanceof FencedError) throw error
      })\n`,
  },
  {
    name: 'an upload is archived as soon as the store has answered',
    file: `${ARCHIVING}/segment-upload.ts`,
    find: '    await this.#confirm()\n',
    replace: '',
  },
  {
    name: 'an object that exists is taken for the own one',
    file: `${ARCHIVING}/segment-upload.ts`,
    find: `if (isThere || (await this.#put(source)) === 'exists') await this.#compare(source)`,
    replace: `if (!isThere) await this.#put(source)`,
  },
  {
    name: 'a segment is sent again although an attempt may have stored it',
    file: `${ARCHIVING}/segment-upload.ts`,
    find: 'const isThere = this.#mayBeThere && (await this.#store.head(this.key)) !== null',
    replace: 'const isThere = false',
  },
  {
    name: 'only the ends of an object that exists are compared',
    file: `${ARCHIVING}/segment-upload.ts`,
    find: `      if (read < part.length || !there.equals(part)) {`,
    replace: `      if (read < 0) {`,
  },
  {
    name: 'only the bytes that were read of an object are compared',
    file: `${ARCHIVING}/segment-upload.ts`,
    find: `if (read < part.length || !there.equals(part)) {`,
    replace: `if (!there.subarray(0, read).equals(part.subarray(0, read))) {`,
  },
  {
    name: 'another segment in the same place is an error like any other',
    file: `${ARCHIVING}/segment-upload.ts`,
    find: `throw new FencedError(key, 'it holds another segment, or this one as it was before a truncation')`,
    replace: `throw this.#unexpected('it holds another segment')`,
  },
  {
    name: 'a segment of the same size in the same place is the own one',
    file: `${ARCHIVING}/segment-upload.ts`,
    find: `if (!isSameLink(found.link, segment.link)) {`,
    replace: `if (object.bytes === segment.bytes) return
    if (!isSameLink(found.link, segment.link)) {`,
  },
  {
    name: 'segments behind an upload do not fence its writer',
    file: `${ARCHIVING}/segment-upload.ts`,
    find: 'if (object.key !== key && object.key !== before?.key) {',
    replace: 'if (object.key < key && object.key !== before?.key) {',
  },
  {
    name: 'an upload whose predecessor is gone is archived',
    file: `${ARCHIVING}/segment-upload.ts`,
    find: 'if (before !== null && listed.get(before.key)?.bytes !== before.bytes) {',
    replace: 'if (before !== null && listed.size === 0) {',
  },
  {
    name: 'an object of another size is archived',
    file: `${ARCHIVING}/segment-upload.ts`,
    find: 'if (bytes !== segment.bytes) throw',
    replace: 'if (bytes === undefined) throw',
  },
  {
    name: 'a fenced writer goes on',
    file: `${ARCHIVING}/log-archiver.ts`,
    find: `        if (error instanceof FencedError || error instanceof LogMismatchError) throw error
        this.#lastError = error`,
    replace: `        if (error instanceof LogMismatchError) throw error
        this.#lastError = error`,
  },
  {
    name: 'local segments are deleted before their upload',
    file: `${ARCHIVING}/log-archiver.ts`,
    find: `    const upload = new SegmentUpload(`,
    replace: `    if (this.#context.localRetention !== null)
      await this.#writer.deleteSegments({ ...this.#context.localRetention, keepFromOffset: segment.nextOffset })
    const upload = new SegmentUpload(`,
  },
  {
    name: 'local segments are deleted although the archive was not looked at',
    file: `${ARCHIVING}/log-archiver.ts`,
    find: `const { keepFromOffset, lost } = await this.#copies.deletable(this.archivedOffset)`,
    replace: `const [keepFromOffset, lost] = [this.archivedOffset, null]`,
  },
  {
    name: 'local retention deletes what is not archived yet',
    file: `${ARCHIVING}/log-archiver.ts`,
    find: `deleteSegments({ ...localRetention, keepFromOffset }))`,
    replace: `deleteSegments(localRetention))`,
  },
  {
    name: 'local retention deletes one segment too many',
    file: `${ARCHIVING}/local-copies.ts`,
    find: `    return { keepFromOffset: archivedOffset, lost: null }`,
    replace: `    return { keepFromOffset: archivedOffset + 1n, lost: null }`,
  },
  {
    name: 'a missing object does not keep its local segment',
    file: `${ARCHIVING}/local-copies.ts`,
    find: `if (object === undefined) return 'it is missing'`,
    replace: `if (object === undefined) return null`,
  },
  {
    name: 'a local segment is deleted if the object has its size',
    file: `${ARCHIVING}/local-copies.ts`,
    find: `    if (!isSameLink(found.link, link)) return 'it is another segment than the local one'\n`,
    replace: '',
  },
  {
    name: 'a local segment is deleted although the object is shorter',
    file: `${ARCHIVING}/local-copies.ts`,
    find: `if (object.bytes !== bytes) return`,
    replace: `if (object.bytes > bytes) return`,
  },
  {
    name: 'what this process has uploaded is not looked for again before it is deleted here',
    file: `${ARCHIVING}/local-copies.ts`,
    find: `      if (first !== undefined && segment.baseOffset < first) continue`,
    replace: `      if ((first !== undefined && segment.baseOffset < first) || this.#proven.has(segment.baseOffset)) continue`,
  },
  {
    name: 'local segments are deleted although the archive is empty',
    file: `${ARCHIVING}/local-copies.ts`,
    find: `      if (first !== undefined && segment.baseOffset < first) continue`,
    replace: `      if (first === undefined || segment.baseOffset < first) continue`,
  },
  {
    name: 'a log is archived in its own directory',
    file: `${ARCHIVING}/local-log.ts`,
    find: `store instanceof DirectoryObjectStore &&`,
    replace: `store instanceof DirectoryObjectStore && false &&`,
  },
  {
    name: 'a segment is archived that ends one record after archiveBelow',
    file: `${ARCHIVING}/log-archiver.ts`,
    find: 'first.nextOffset > this.#archiveBelow',
    replace: 'first.nextOffset > this.#archiveBelow + 1n',
  },
  {
    name: 'a segment is archived that only begins before archiveBelow',
    file: `${ARCHIVING}/log-archiver.ts`,
    find: 'first.nextOffset > this.#archiveBelow',
    replace: 'first.baseOffset >= this.#archiveBelow',
  },
  {
    name: 'the first record after an upload is reported as archived',
    file: `${ARCHIVING}/log-archiver.ts`,
    find: 'this.#waiters.reached(segment.nextOffset)',
    replace: 'this.#waiters.reached(segment.nextOffset + 1n)',
  },
  {
    name: 'waitArchived resolves for the first record that is not archived',
    file: `${ARCHIVING}/log-archiver.ts`,
    find: 'if (this.#isStarted && offset < this.archivedOffset) return',
    replace: 'if (this.#isStarted && offset <= this.archivedOffset) return',
  },
  {
    name: 'a segment that was truncated while it was queued is archived',
    file: `${ARCHIVING}/log-archiver.ts`,
    find: `      if (!isNext || !isSameLink(ends.link, segment.link)) throw new Error(\`the segment \${segment.path} has changed\`)\n`,
    replace: '',
  },
  {
    name: 'a log continues its archive if the segment before it has the same offset',
    file: `${ARCHIVING}/local-log.ts`,
    find: 'if (!isSameLink(previous, last.link)) throw',
    replace: 'if (previous?.baseOffset !== last.link.baseOffset) throw',
  },
  {
    name: 'the link of a log to its archive is not compared',
    file: `${ARCHIVING}/local-log.ts`,
    find: `    if (!isSameLink(previous, last.link)) throw mismatch(\`\${next.path} states another segment before it\`)\n`,
    replace: `    void previous\n`,
  },
  {
    name: 'an archive that is not mounted is begun again',
    file: `${ARCHIVING}/local-log.ts`,
    find: 'const isTrimmed = !beginArchive &&',
    replace: 'const isTrimmed = beginArchive &&',
  },
  {
    name: 'offsets between the archive and the log are lost without an error',
    file: `${ARCHIVING}/local-log.ts`,
    find: 'const at = segments.findIndex(({ baseOffset }) => baseOffset === last.nextOffset)',
    replace: 'const at = segments.findIndex(({ baseOffset }) => baseOffset >= last.nextOffset)',
  },
  {
    name: 'the active segment is archived',
    file: `${ARCHIVING}/local-log.ts`,
    find: `return state !== 'active' && records > 0`,
    replace: 'return records > 0',
  },
  {
    name: 'segments are uploaded newest first',
    file: `${ARCHIVING}/segment-queue.ts`,
    find: 'this.#segments = [...(await list())]',
    replace: 'this.#segments = (await list()).toReversed()',
  },
  {
    name: 'a segment that ends while the log is listed is forgotten',
    file: `${ARCHIVING}/segment-queue.ts`,
    find: 'if (this.#isListing) this.isStale = true',
    replace: 'if (this.#isListing) return',
  },
]
