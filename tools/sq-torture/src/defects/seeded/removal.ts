/** Defects of what removes records: retention, deletion, truncation, resets, and the deletion of a log. */
import type { Defect } from '../defect.ts'

const WAL = 'sq-storage/src/wal'

export const REMOVAL_DEFECTS: readonly Defect[] = [
  {
    name: 'a reset removes the old log before the new one is durable',
    file: `${WAL}/writing/reset.ts`,
    find: `      await directory.finish(join(directory.path, resetName(offset)))
      await replaceSegments(directory, offset)`,
    replace: `      const old = await listSegmentFiles(directory.fs, directory.path)
      for (const { path } of old) await directory.remove(path)
      await directory.finish(join(directory.path, segmentName(offset)))`,
  },
  {
    name: 'recovery does not complete a reset',
    file: `${WAL}/writing/recovery.ts`,
    find: '  await finishReset(directory, partition)\n',
    replace: '',
  },
  {
    name: 'recovery replaces a log by a segment that does not verify',
    file: `${WAL}/writing/reset.ts`,
    find: '  await readHead(fs, intent, partition)\n',
    replace: '',
  },
  {
    name: 'appends continue in the old log after a failed reset',
    file: `${WAL}/writing/log-tail.ts`,
    find: 'if (this.#pendingReset !== null) await this.reset(this.#nextOffset, this.#pendingReset.reset)',
    replace: '',
  },
  {
    name: 'a segment that replaces the empty one after a reset forgets the segment before it',
    file: `${WAL}/writing/log-tail.ts`,
    find: 'this.#previous = reset.previous',
    replace: 'this.#previous = null',
  },
  {
    name: 'a reset that failed first forgets the segment before the new one',
    file: `${WAL}/writing/log-tail.ts`,
    find: 'await this.reset(this.#nextOffset, this.#pendingReset.reset)',
    replace: 'await this.reset(this.#nextOffset, { ...this.#pendingReset.reset, previous: null })',
  },
  {
    name: 'readers see the old log while it is reset',
    file: `${WAL}/reading/frame-stream.ts`,
    find: 'if (resetTo !== null) return this.#noneAt(resetTo)',
    replace: '',
  },
  {
    name: 'readers that have returned records are not notified of a reset',
    file: `${WAL}/shared/shared-log.ts`,
    find: 'this.truncated(0)',
    replace: '',
  },
  {
    name: 'an ignored tail stays when the next segment is deleted',
    file: `${WAL}/writing/truncation.ts`,
    find: '    if (before !== null) await endFile(directory, before)\n',
    replace: '',
  },
  {
    name: 'a truncation of a file is not synced',
    file: `${WAL}/writing/truncation.ts`,
    find: '    await handle.sync()\n',
    replace: '',
  },
  {
    name: 'a failed truncation of a file counts as done',
    file: `${WAL}/writing/truncation.ts`,
    find: '    await handle.truncate(position)\n',
    replace: `    if ((await handle.size()) === position) return
    await handle.truncate(position)
`,
  },
  {
    name: 'a file that a truncation has cut is not sealed',
    file: `${WAL}/writing/truncation.ts`,
    find: '    if (ending !== null) await handle.write([ending], position)\n',
    replace: '',
  },
  {
    name: 'a file that a truncation has cut ends with MARKs, so that it is appended to',
    file: `${WAL}/writing/truncation.ts`,
    find: 'opened.head.frame.headerCrc), summary).bytes',
    replace: 'opened.head.frame.headerCrc), null).bytes',
  },
  {
    name: 'truncation deletes the older segments first',
    file: `${WAL}/writing/truncation.ts`,
    find: 'of dropped.toReversed()',
    replace: 'of dropped',
  },
  {
    name: 'an interrupted truncation is not completed',
    file: `${WAL}/writing/log-tail.ts`,
    find: 'if (this.#truncatedFrom !== null) await',
    replace: 'if (false) await',
  },
  {
    name: 'readers are not notified of a truncation before it begins',
    file: `${WAL}/writing/log-tail.ts`,
    find: '        begin()\n',
    replace: '',
  },
  {
    name: 'the last segment is deleted before it has a successor',
    file: `${WAL}/writing/log-tail.ts`,
    find: `        await this.#openSegment()
      },`,
    replace: '      },',
  },
  {
    name: 'a deletion deletes what was appended after a truncation or reset',
    file: `${WAL}/writing/segment-deletion.ts`,
    find: 'Math.min(this.#end, ended.lowestCutSince(this.#cuts))',
    replace: 'this.#end',
  },
  {
    name: 'an earlier deletion whose sync failed is not synced',
    file: `${WAL}/writing/segment-deletion.ts`,
    find: `    // An earlier deletion may have failed to.
    await this.#sync()
`,
    replace: '',
  },
  {
    name: 'a truncation does not wait for a removal',
    file: `${WAL}/writing/log-tail.ts`,
    find: `    await this.#step
    await this.#finishReset()
    if (offset ===`,
    replace: `    await this.#finishReset()
    if (offset ===`,
  },
  {
    name: 'a reset does not wait for a removal',
    file: `${WAL}/writing/log-tail.ts`,
    find: '    await this.#step\n    const first =',
    replace: '    const first =',
  },
  {
    name: 'a rotation does not wait for a removal',
    file: `${WAL}/writing/log-tail.ts`,
    find: `    await this.#step
    await this.#finishReset()
    if (this.#truncatedFrom`,
    replace: `    await this.#finishReset()
    if (this.#truncatedFrom`,
  },
  {
    name: 'two deletions run at a time',
    file: `${WAL}/writer.ts`,
    find: '      await before\n      return deletion',
    replace: '      return deletion',
  },
  {
    name: 'a segment is gone from the log before its file is',
    file: `${WAL}/writing/segment-deletion.ts`,
    find: `    await directory.unlink(segment.path)
    ended.deleteFirst()`,
    replace: `    ended.deleteFirst()
    await directory.unlink(segment.path)`,
  },
  {
    name: 'a log start gets its name before its bytes are durable',
    file: `${WAL}/writing/record-deletion.ts`,
    find: 'await handle.writeDurable([',
    replace: 'await handle.write([',
  },
  {
    name: 'a log start is not durable when deleteRecords resolves',
    file: `${WAL}/writing/record-deletion.ts`,
    find: 'await directory.rename(unfinishedPath, ',
    replace: 'await fs.rename(unfinishedPath, ',
  },
  {
    name: 'a log may be truncated below a log start that could not be made durable',
    file: `${WAL}/writing/record-deletion.ts`,
    find: '  begin()\n  await directory.rename(unfinishedPath, logStartPath(path))\n',
    replace: '  await directory.rename(unfinishedPath, logStartPath(path))\n  begin()\n',
  },
  {
    name: 'a log may be truncated below its log start',
    file: `${WAL}/writing/log-tail.ts`,
    find: 'if (offset < this.#start) throw this.#outOfRange(offset)',
    replace: '',
  },
  {
    name: 'records after the log end can be deleted',
    file: `${WAL}/writing/log-tail.ts`,
    find: 'if (before > this.#nextOffset)',
    replace: 'if (before > this.#nextOffset + 1)',
  },
  {
    name: 'deleteRecords forgets that its last call failed',
    file: `${WAL}/writing/log-tail.ts`,
    find: 'before <= this.firstOffset && this.#deletedFrom === null',
    replace: 'before <= this.firstOffset',
  },
  {
    name: 'deleteRecords leaves the active segment if all of it is deleted',
    file: `${WAL}/writing/log-tail.ts`,
    find: '    if (before === this.#nextOffset) await this.closeActive()\n',
    replace: '',
  },
  {
    name: 'retention keeps segments of which every record is deleted',
    file: `${WAL}/writing/log-tail.ts`,
    find: 'belowOffset: belowOffset > start ? belowOffset : start',
    replace: 'belowOffset',
  },
  {
    name: 'a reset leaves the log start',
    file: `${WAL}/writing/reset.ts`,
    find: '  if (names.includes(LOG_START_NAME)) await directory.remove(join(path, LOG_START_NAME))\n',
    replace: '',
  },
  {
    name: 'a reset removes the log start before the segments',
    file: `${WAL}/writing/reset.ts`,
    find: '  for (const segment of segmentsAmong(names, path)) await directory.remove(segment.path)\n  if (names.includes(LOG_START_NAME)) await directory.remove(join(path, LOG_START_NAME))\n',
    replace:
      '  if (names.includes(LOG_START_NAME)) await directory.remove(join(path, LOG_START_NAME))\n  for (const segment of segmentsAmong(names, path)) await directory.remove(segment.path)\n',
  },
  {
    name: 'the writer does not know a segment that a failed truncation has created',
    file: `${WAL}/writing/ended-segments.ts`,
    find: 'const end = left[at + 1]?.baseOffset ?? nextOffset',
    replace: `if (!known.has(baseOffset)) continue
      const end = nextOffset`,
  },
  {
    name: 'the writer does not know the size of a segment that a failed truncation has cut',
    file: `${WAL}/writing/ended-segments.ts`,
    find: 'fileBytes: fileBytes.get(baseOffset) ?? 0',
    replace: 'fileBytes: (at === left.length - 1 ? fileBytes.get(baseOffset) : before?.fileBytes) ?? 0',
  },
  {
    name: 'files of a log are removed before its new name is durable',
    file: `${WAL}/writing/temporary-directory.ts`,
    find: `  await syncDirectory(fs, parent)
  const names`,
    replace: '  const names',
  },
  {
    name: 'the removal of a deleted log is not synced',
    file: `${WAL}/writing/temporary-directory.ts`,
    find: `  await removeEmptyDirectory(fs, path)
  await syncDirectory(fs, parent)`,
    replace: '  await removeEmptyDirectory(fs, path)',
  },
  {
    name: 'the lock of a log that is being deleted is removed first',
    file: `${WAL}/writing/temporary-directory.ts`,
    find: ' && name !== LOCK_NAME) await',
    replace: ') await',
  },
  {
    name: 'a log is deleted with files that are not its own',
    file: `${WAL}/delete-log.ts`,
    find: '    await refuseOtherFiles(fs, directory)\n',
    replace: '',
  },
  {
    name: 'the removal of a topic is not synced',
    file: `${WAL}/delete-log.ts`,
    find: 'if (await removeEmptyDirectory(fs, join(dataDir, topic))) await syncDirectory(fs, dataDir)',
    replace: 'await removeEmptyDirectory(fs, join(dataDir, topic))',
  },
  {
    name: 'a truncation inside an opaque batch is not refused with OpaqueBatchError',
    file: `${WAL}/writing/truncation.ts`,
    find: 'if ((attributes & Attribute.OPAQUE) !== 0) {',
    replace: 'if (attributes > 0xff) {',
  },
]
