/** Defects of the writer: of its commits, segments, recovery, truncation and retention. */
import type { Defect } from '../defect.ts'

const WAL = 'sq-storage/src/wal'

export const WRITING_DEFECTS: readonly Defect[] = [
  {
    name: 'a commit is written and not synced',
    file: `${WAL}/writing/active-segment.ts`,
    find: 'this.#handle.writeDurable(buffers, this.#place.position)',
    replace: 'this.#handle.write(buffers, this.#place.position)',
  },
  {
    name: 'an append is acknowledged before its write',
    file: `${WAL}/writing/group-commit.ts`,
    find: '      written = await tail.write(commit)\n',
    replace: '      commit.resolve(baseOffset)\n      written = await tail.write(commit)\n',
  },
  {
    name: 'the next offset moves before the write',
    file: `${WAL}/writing/log-tail.ts`,
    find: `    const written = await segment.write(commit, { preallocationLimit: this.#context.config.maxSegmentBytes })
    this.#nextOffset += commit.recordCount`,
    replace: `    this.#nextOffset += commit.recordCount
    const written = await segment.write(commit, { preallocationLimit: this.#context.config.maxSegmentBytes })`,
  },
  {
    name: 'records of a failed write are counted',
    file: `${WAL}/writing/active-segment.ts`,
    find: 'if (zeros.length > 0 && isDiskFull(error))',
    replace: `for (const { header, ...times } of frames)
        this.summary.add({ offsetDelta: 0, position, recordCount: header.recordCount, ...times })
      if (zeros.length > 0 && isDiskFull(error))`,
  },
  {
    name: 'appends queued behind a failed commit are written',
    file: `${WAL}/writing/group-commit.ts`,
    find: 'this.#reject([failed, ...behind], error)',
    replace: 'this.#reject([failed], error)',
  },
  {
    name: 'a rejected commit still counts as pending',
    file: `${WAL}/writing/group-commit.ts`,
    find: `      this.#settle(commit)
      commit.reject(error)`,
    replace: '      commit.reject(error)',
  },
  {
    name: 'durable appends never resolve if the clock throws',
    file: `${WAL}/writing/writer-meter.ts`,
    find: `    try {
      return this.#clock.monotonic() - startedMs
    } catch {
      return 0
    }`,
    replace: '    return this.#clock.monotonic() - startedMs',
  },
  {
    name: 'other work queued behind a failed commit is dropped',
    file: `${WAL}/writing/group-commit.ts`,
    find: 'this.#waiting = this.#waiting.filter((waiting) => !(waiting instanceof Commit))',
    replace: 'this.#waiting = []',
  },
  {
    name: 'encoded batches are appended wherever the log ends',
    file: `${WAL}/writing/group-commit.ts`,
    find: 'if (commit.stated !== null && commit.stated.baseOffset !== baseOffset) {',
    replace: 'if (commit.stated !== null && commit.stated.baseOffset < 0) {',
  },
  {
    name: 'encoded batches continue with their second write after the first is refused',
    file: `${WAL}/writing/group-commit.ts`,
    find: 'next instanceof Commit && next.stated?.append === append;',
    replace: 'next instanceof Commit && next.stated?.append !== append && false;',
  },
  {
    name: 'encoded batches share a frame with appends behind them',
    file: `${WAL}/writing/group-commit.ts`,
    find: 'return last instanceof Commit && last.stated === null ? last : null',
    replace: 'return last instanceof Commit ? last : null',
  },
  {
    name: 'encoded batches that have changed since they were checked are appended',
    file: `${WAL}/writing/group-commit.ts`,
    find: 'if (commit.addBody(body) !== body.checksum) {',
    replace: 'if (commit.addBody(body) < 0) {',
  },
  {
    name: 'a gap between encoded batches is not noticed',
    file: `${WAL}/writing/checked-batches.ts`,
    find: 'if (first !== null && batch.baseOffset !== next) {',
    replace: 'if (first !== null && batch.baseOffset < next) {',
  },
  {
    name: 'a batch of a reader is appended without a look at its records',
    file: `${WAL}/format/record-batch.ts`,
    find: 'const times = checkedTimes(this.#body, this)',
    replace: 'const times = timesOf(this.#body, this)',
  },
  {
    name: 'encoded batches have no times',
    file: `${WAL}/writing/checked-batches.ts`,
    find: 'const { minTimestampMs, maxTimestampMs } = times\n',
    replace: 'const [minTimestampMs, maxTimestampMs] = [0, times.maxTimestampMs]\n',
  },
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
    find: '  await readHead(fs, { path: intent, baseOffset: offset, successor: null }, partition)\n',
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
    name: 'two commits are written at the same time',
    file: `${WAL}/writing/group-commit.ts`,
    find: 'if (this.#busy || next === undefined) return',
    replace: 'if (next === undefined) return',
  },
  {
    name: 'a commit that is written at once is overtaken by the turn that it would have had',
    file: `${WAL}/writing/group-commit.ts`,
    find: '    clearImmediate(this.#nextTurn)\n',
    replace: '',
  },
  {
    name: 'a record may change between its check and its copy',
    file: `${WAL}/writing/checked-record.ts`,
    find: 'checked.push(checkRecord(records[nth], clock))',
    replace: `const read = checkRecord(records[nth], clock)
      checked.push({ ...read, get value() { return records[nth]?.value ?? read.value } })`,
  },
  {
    name: 'a getter of a header runs while its record is copied',
    file: `${WAL}/writing/checked-record.ts`,
    find: 'checked.push(header)',
    replace: 'checked.push({ ...header, get key() { return headers[at]?.key ?? header.key } })',
  },
  {
    name: 'a buffer is reused for the next commit while it is written',
    file: `${WAL}/writing/commit.ts`,
    find: '    return finishRecordsFrames(this.#buffer.bytes, this.#finished, place)\n',
    replace: `    writeBuffers.give(this.#buffer)
    return finishRecordsFrames(this.#buffer.bytes, this.#finished, place)
`,
  },
  {
    name: 'a commit that outgrows its buffer loses its earlier records',
    file: `${WAL}/writing/commit.ts`,
    find: '    held.copy(larger.bytes, 0, 0, this.#end)\n',
    replace: '',
  },
  {
    name: 'the same room is promised to two callers',
    file: `${WAL}/writing/shared-limits.ts`,
    find: 'else queueMicrotask(() => nextTick(action))',
    replace: 'else nextTick(action)',
  },
  {
    name: 'what has become durable still counts in the shared limit',
    file: `${WAL}/writing/backlog.ts`,
    find: '    this.#shared.remove(cost)\n',
    replace: '',
  },
  {
    name: 'options that are refused are changed in part',
    file: `${WAL}/writer.ts`,
    find: '    Object.assign(config, resolveConfig({ ...given, dataDir }))\n',
    replace: `    Object.assign(config, given)
    Object.assign(config, resolveConfig({ ...given, dataDir }))
`,
  },
  {
    name: 'the event loop never turns between large commits',
    file: `${WAL}/writing/group-commit.ts`,
    find: '    this.#turned = false\n',
    replace: '',
  },
  {
    name: 'a large commit overtakes other work in the queue',
    file: `${WAL}/writing/group-commit.ts`,
    find: 'const last = this.#waiting.at(-1)',
    replace: 'const last = this.#waiting.findLast((waiting) => waiting instanceof Commit)',
  },
  {
    name: 'appendAll reports a commit before the appends of its records resolve',
    file: `${WAL}/writing/group-commit.ts`,
    find: `    commit.resolve(baseOffset)
    this.#tellSettled()`,
    replace: `    this.#tellSettled()
    queueMicrotask(() => commit.resolve(baseOffset))`,
  },
  {
    name: 'every commit preallocates, whatever its size',
    file: `${WAL}/writing/active-segment.ts`,
    find: 'if (end <= this.#preallocatedEnd || bytes > MAX_SMALL_COMMIT_BYTES) return ZEROS.subarray(0, 0)',
    replace: '',
  },
  {
    name: 'preallocation exceeds the limit of the segment',
    file: `${WAL}/writing/active-segment.ts`,
    find: 'Math.min(end + Math.min(position, MAX_PREALLOCATION_BYTES), preallocationLimit)',
    replace: 'end + Math.min(position, MAX_PREALLOCATION_BYTES)',
  },
  {
    name: 'preallocated zeros stay after the end of a segment',
    file: `${WAL}/writing/active-segment.ts`,
    find: '    await this.#cutPreallocation()\n',
    replace: '',
  },
  {
    name: 'a segment is not abandoned if its preallocated zeros cannot be truncated',
    file: `${WAL}/writing/active-segment.ts`,
    find: 'await this.#orAbandon(() => this.#handle.truncate(this.#place.position))',
    replace: 'await this.#handle.truncate(this.#place.position).catch(() => {})',
  },
  {
    name: 'preallocated zeros count as torn',
    file: `${WAL}/writing/recovery.ts`,
    find: 'endOfContent(handle, { from: place.position, to: fileBytes })',
    replace: 'Promise.resolve(fileBytes)',
  },
  {
    name: 'a batch is split into two frames',
    file: `${WAL}/writer.ts`,
    find: '      if (metadata === null) this.#append(checked, waiter)\n',
    replace: `      if (metadata === null && checked.length > 1) {
        this.#append(checked.slice(0, 1), waiter)
        void this.#group.inTurn(() => Promise.resolve())
        this.#append(checked.slice(1), { resolve() {}, reject() {} })
      } else if (metadata === null) this.#append(checked, waiter)\n`,
  },
  {
    name: 'a record whose length changed after its check is accepted',
    file: `${WAL}/writing/commit.ts`,
    find: 'invariant(end === this.#end + bytes,',
    replace: 'invariant(true,',
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
    find: '    await handle.truncate(end)\n',
    replace: `    if ((await handle.size()) === end) return
    await handle.truncate(end)
`,
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
    name: 'an earlier deletion whose sync failed is not synced',
    file: `${WAL}/writing/segment-deletion.ts`,
    find: `    await this.#log.directory.sync()
    if (this.#removed === null) return`,
    replace: `    if (this.#removed === null) return
    await this.#log.directory.sync()`,
  },
  {
    name: 'a timestamp may be any time ahead of the clock',
    file: `${WAL}/writing/checked-record.ts`,
    find: 'if (record.timestampMs > latestMs) {',
    replace: 'if (false) {',
  },
  {
    name: 'the age of a segment starts again when the log is opened',
    file: `${WAL}/writing/recovery.ts`,
    find: 'clock.monotonic() - Math.max(wallClockMs(clock) - createdMs, 0)',
    replace: 'clock.monotonic()',
  },
  {
    name: 'after a failed sync the same descriptor is used again',
    file: `${WAL}/writing/active-segment.ts`,
    find: '      this.#failure = asError(error)\n',
    replace: '      asError(error)\n',
  },
  {
    name: 'a new segment after a failed write does not state the end of the abandoned one',
    file: `${WAL}/writing/log-tail.ts`,
    find: 'previous: holdsRecords ? old.link : this.#previous,',
    replace: 'previous: this.#previous,',
  },
  {
    name: 'a new segment after a failed write links to a segment that it replaces',
    file: `${WAL}/writing/log-tail.ts`,
    find: 'previous: holdsRecords ? old.link : this.#previous,',
    replace: 'previous: old?.link ?? this.#previous,',
  },
  {
    name: 'an empty segment keeps its time of creation, however old it is',
    file: `${WAL}/writing/log-tail.ts`,
    find: 'const MAX_EMPTY_AGE_MS = 24 * 60 * 60 * 1000',
    replace: 'const MAX_EMPTY_AGE_MS = Infinity',
  },
  {
    name: 'times in which the monotonic clock stops add up',
    file: `${WAL}/writing/log-tail.ts`,
    find: `        this.#expectedTime.follow()
        return {`,
    replace: '        return {',
  },
  {
    name: 'a new segment links to the segment before its predecessor',
    file: `${WAL}/writing/log-tail.ts`,
    find: '    this.#previous = ended.link\n',
    replace: '',
  },
  {
    name: 'after recovery of a sealed segment, the next one links to the segment before it',
    file: `${WAL}/writing/recovery.ts`,
    find: 'previous: active.link }',
    replace: 'previous: head.open.previous }',
  },
  {
    name: 'a new segment is not synced',
    file: `${WAL}/writing/active-segment.ts`,
    find: 'handle.writeDurable([bytes], 0)',
    replace: 'handle.write([bytes], 0)',
  },
  {
    name: 'the file of a failed rollover blocks the next one',
    file: `${WAL}/writing/active-segment.ts`,
    find: '    await directory.removeUnfinished()\n',
    replace: '',
  },
  {
    name: 'the name of a new segment is not synced',
    file: `${WAL}/writing/partition-directory.ts`,
    find: `    await this.#begin(change)
    await this.sync()`,
    replace: '    await this.#begin(change)',
  },
  {
    name: 'a failed directory sync counts as done',
    file: `${WAL}/writing/partition-directory.ts`,
    find: `    await syncDirectory(this.fs, this.path)
    this.#durableChanges = Math.max(this.#durableChanges, changes)`,
    replace: `    this.#durableChanges = Math.max(this.#durableChanges, changes)
    await syncDirectory(this.fs, this.path)`,
  },
  {
    name: 'names change while an earlier change is unsynced',
    file: `${WAL}/writing/partition-directory.ts`,
    find: '    await this.sync()\n    await this.checkLock()\n',
    replace: '    await this.checkLock()\n',
  },
  {
    name: 'a writer that lost its lock still names segments',
    file: `${WAL}/writing/partition-directory.ts`,
    find: '    await this.sync()\n    await this.checkLock()\n',
    replace: '    await this.sync()\n',
  },
  {
    name: 'a segment is replaced by unlink and rename',
    file: `${WAL}/writing/partition-directory.ts`,
    find: '() => this.fs.rename(this.unfinishedPath, path))',
    replace: `async () => {
      await this.fs.unlink(path).catch(() => {})
      await this.fs.rename(this.unfinishedPath, path)
    })`,
  },
  {
    name: 'a full segment is left without a SEAL',
    file: `${WAL}/writing/log-tail.ts`,
    find: '    await this.#seal(active, reason)\n',
    replace: '',
  },
  {
    name: 'an empty segment is rotated',
    file: `${WAL}/writing/log-tail.ts`,
    find: '    if (active.summary.records === 0) return null\n',
    replace: '',
  },
  {
    name: 'the age of a segment is measured with the wall clock',
    file: `${WAL}/writing/log-tail.ts`,
    find: '    this.#context = context\n',
    replace: `    const now = () => context.clock.now()
    this.#context = { ...context, clock: { now, monotonic: now } }\n`,
  },
  {
    name: 'close leaves an abandoned segment without a successor',
    file: `${WAL}/writing/log-tail.ts`,
    find: '      if (this.#active?.abandoned === true) await this.#openSegment()\n',
    replace: '',
  },
  {
    name: 'close does not wait for queued work',
    file: `${WAL}/writer.ts`,
    find: 'this.#group.inTurn(() => this.#shutDown())',
    replace: 'this.#shutDown()',
  },
  {
    name: 'close writes no durability marker if an earlier one exists',
    file: `${WAL}/writing/active-segment.ts`,
    find: `nextOffset + commit.recordCount)
    this.#confirmed = false`,
    replace: 'nextOffset + commit.recordCount)',
  },
  {
    name: 'the lock is released before the last write',
    file: `${WAL}/writer.ts`,
    find: '      await this.#tail.close()\n',
    replace: `      await this.#held.lock.release()
      await this.#tail.close()\n`,
  },
  {
    name: 'a failed open keeps the lock',
    file: `${WAL}/writer.ts`,
    find: '      await lock.release()\n      throw error',
    replace: '      throw error',
  },
  {
    name: 'no lock is taken',
    file: `${WAL}/writing/partition-directory.ts`,
    find: 'return await fs.lock(path)',
    replace: 'return { release: () => Promise.resolve() }',
  },
  {
    name: 'the locked file is identified by its path, not by its descriptor',
    file: `${WAL}/writing/partition-directory.ts`,
    find: 'const identity = lock.identity ?? (',
    replace: 'const identity = (',
  },
  {
    name: 'the descriptor of a replaced segment leaks',
    file: `${WAL}/writing/log-tail.ts`,
    find: '    else await old?.close()\n',
    replace: '',
  },
  {
    name: 'the directories above a partition are not synced',
    file: `${WAL}/writing/partition-directory.ts`,
    find: 'for (const path of [join(dataDir, topic), dataDir, dirname(dataDir)])',
    replace: 'for (const path of [dirname(dataDir)])',
  },
  {
    name: 'the parent of the data directory is not synced',
    file: `${WAL}/writing/partition-directory.ts`,
    find: 'dataDir, dirname(dataDir)])',
    replace: 'dataDir])',
  },
  {
    name: 'recovery truncates confirmed damage',
    file: `${WAL}/writing/recovery.ts`,
    find: '    if (damage !== null) throw damage\n',
    replace: '',
  },
  {
    name: 'recovery does not write unconfirmed bytes again',
    file: `${WAL}/writing/recovery.ts`,
    find: '  await handle.writeDurable(found.unconfirmed, found.unconfirmedFrom)\n',
    replace: '',
  },
  {
    name: 'recovery writes unconfirmed bytes again, but does not sync them',
    file: `${WAL}/writing/recovery.ts`,
    find: 'handle.writeDurable(found.unconfirmed, found.unconfirmedFrom)',
    replace: 'handle.write(found.unconfirmed, found.unconfirmedFrom)',
  },
  {
    name: 'recovery does not sync the directory',
    file: `${WAL}/writing/recovery.ts`,
    find: '  await directory.sync()\n',
    replace: '',
  },
  {
    name: 'recovery assumes that the directory is synced',
    file: `${WAL}/writing/partition-directory.ts`,
    find: '  #changes = 1\n',
    replace: '  #changes = 0\n',
  },
  {
    name: 'recovery does not truncate the torn tail',
    file: `${WAL}/writing/recovery.ts`,
    find: '    await handle.truncate(found.place.position)\n',
    replace: '',
  },
  {
    name: 'recovery truncates before the commit that it writes again',
    file: `${WAL}/writing/recovery.ts`,
    find: 'handle.truncate(found.place.position)',
    replace: 'handle.truncate(found.unconfirmedFrom)',
  },
  {
    name: 'recovery does not sync its truncation',
    file: `${WAL}/writing/recovery.ts`,
    find: '    await handle.sync()\n',
    replace: '',
  },
  {
    name: 'recovery changes a log whose directory has replaced the locked one',
    file: `${WAL}/writing/partition-directory.ts`,
    find: '  async removeUnfinished(): Promise<void> {\n    await this.checkLock()\n',
    replace: '  async removeUnfinished(): Promise<void> {\n',
  },
  {
    name: 'recovery cuts a log before it looks what is in the way of the next segment',
    file: `${WAL}/writing/recovery.ts`,
    find: '    await settle(directory)\n    await makeDurable(last, found)\n',
    replace: '    await directory.checkLock()\n    await makeDurable(last, found)\n    await settle(directory)\n',
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
    find: 'before <= this.firstOffset && !this.#isStartUncertain',
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
    name: 'a writer that opens a log does not know its log start',
    file: `${WAL}/writing/recovery.ts`,
    find: 'ended, partition, clock })), start }',
    replace: 'ended, partition, clock })), start: 0 }',
  },
  {
    name: 'recovery leaves segments of which every record is deleted',
    file: `${WAL}/writing/recovery.ts`,
    find: 'for (const { path } of deleted) await directory.remove(path)',
    replace: 'for (const _ of deleted);',
  },
  {
    name: 'a log that ends before its log start goes on where it ends',
    file: `${WAL}/writing/recovery.ts`,
    find: 'isEmpty ? Math.max(start, firstOffset) : start',
    replace: 'isEmpty ? Math.max(start, firstOffset) : 0',
  },
  {
    name: 'a log without segments does not begin at its log start',
    file: `${WAL}/writing/recovery.ts`,
    find: 'isEmpty ? Math.max(start, firstOffset) : start',
    replace: 'isEmpty ? firstOffset : start',
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
    name: 'a checkpoint has no log start',
    file: `${WAL}/writing/checkpoint.ts`,
    find: 'if (staged.start > 0)',
    replace: 'if (staged.start < 0)',
  },
  {
    name: 'recovery writes no MARK',
    file: `${WAL}/writing/recovery.ts`,
    find: 'await active.mark().then(() => null, asError)',
    replace: 'null',
  },
  {
    name: 'a relative data directory changes with the working directory',
    file: 'sq-storage/src/config.ts',
    find: 'return resolve(path)',
    replace: 'return path',
  },
  {
    name: 'recovery that cannot write its MARKs does not fail',
    file: `${WAL}/writing/recovery.ts`,
    find: 'const markError = await active.mark().then(() => null, asError)',
    replace: 'const markError = await active.mark().then(() => null, () => null)',
  },
  {
    name: 'an abandoned segment does not report the error of its failed write',
    file: `${WAL}/writing/active-segment.ts`,
    find: 'this.#failure = asError(error)',
    replace: "this.#failure = new Error('broken')",
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
    name: 'recovery truncates a damaged SEAL',
    file: `${WAL}/writing/recovery.ts`,
    find: 'if (stop.header?.type === FrameType.SEAL) {',
    replace: 'if (stop.header?.type === FrameType.OPEN) {',
  },
  {
    name: 'a SEAL is rebuilt with a different durablePosition',
    file: `${WAL}/writing/recovery.ts`,
    find: '{ durablePosition: stop.header.durablePosition }',
    replace: '{ durablePosition: place.position }',
  },
  {
    name: 'after a rebuilt SEAL, the next segment links to the frame before it',
    file: `${WAL}/writing/recovery.ts`,
    find: 'position: frameEnd(seal.header), previousCrc: seal.header.headerCrc }',
    replace: 'position: frameEnd(seal.header) }',
  },
  {
    name: 'recovery does not check the links between segments',
    file: `${WAL}/writing/recovery.ts`,
    find: 'const { fileBytes } = await endOf(before, opened.head)',
    replace: 'const fileBytes = await before.handle.size()',
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
    name: 'a partition is not created if its topic is removed at that moment',
    file: `${WAL}/writing/partition-directory.ts`,
    find: 'if (!isMissing(error) || attempt === MAX_ATTEMPTS) throw error',
    replace: 'throw error',
  },
  {
    name: 'a log is created although that is forbidden',
    file: `${WAL}/writer.ts`,
    find: '    if (!create) await requireLog(fs, located)\n',
    replace: '',
  },
  {
    name: 'a segment that is linked in a checkpoint is truncated in place',
    file: `${WAL}/writing/truncation.ts`,
    find: '.links > 1) {',
    replace: '.links > 1000) {',
  },
  {
    name: 'the last segment of a checkpoint is linked',
    file: `${WAL}/writing/checkpoint.ts`,
    find: 'if (name === last) await',
    replace: 'if (name === last && !(await link(fs, from, to))) await',
  },
  {
    name: 'a checkpoint has what follows the end of the log',
    file: `${WAL}/writing/checkpoint.ts`,
    find: 'copyFile(fs, { from, to, bytes: lastEnd })',
    replace: 'copyFile(fs, { from, to })',
  },
  {
    name: 'the names in a checkpoint are not synced',
    file: `${WAL}/writing/checkpoint.ts`,
    find: '    await syncDirectory(fs, unfinished)\n',
    replace: '',
  },
  {
    name: 'the name of a checkpoint is not synced',
    file: `${WAL}/writing/checkpoint.ts`,
    find: '    await syncDirectory(fs, dirname(target.directory))\n',
    replace: '',
  },
  {
    name: 'the copy of a segment is not synced',
    file: `${WAL}/writing/copy-file.ts`,
    find: '      await target.sync()\n',
    replace: '',
  },
  {
    name: 'a checkpoint has a segment whose creation failed',
    file: `${WAL}/writing/log-tail.ts`,
    find: 'if (last === null || baseOffset > last.baseOffset) break',
    replace: '',
  },
  {
    name: 'recovery does not remove next.tmp',
    file: `${WAL}/writing/recovery.ts`,
    find: '  await directory.removeUnfinished()\n',
    replace: '',
  },
  {
    name: 'a frame with a missing value does not say so',
    file: `${WAL}/writing/commit.ts`,
    find: '      if (record.value === null) attributes |= Attribute.NULL_VALUES\n',
    replace: '',
  },
  {
    name: 'a truncation inside an opaque batch is not refused with OpaqueBatchError',
    file: `${WAL}/writing/truncation.ts`,
    find: 'if ((attributes & Attribute.OPAQUE) !== 0) {',
    replace: 'if (attributes > 0xff) {',
  },
  {
    name: 'records that follow a batch with metadata become part of it',
    file: `${WAL}/writing/commit.ts`,
    find: '    this.#attributes |= Attribute.METADATA\n    this.#finishFrame()\n',
    replace: '    this.#attributes |= Attribute.METADATA\n',
  },
  {
    name: 'a batch with metadata that was refused leaves its beginning in the commit',
    file: `${WAL}/writing/commit.ts`,
    find: '      this.#openAt(this.#start)\n      throw error',
    replace: '      throw error',
  },
  {
    name: 'the payload of an opaque batch is not copied',
    file: `${WAL}/writing/checked-metadata.ts`,
    find: '  payload.copy(bytes, lead)\n',
    replace: '  payload.copy(bytes, lead, 0, payload.length - 1)\n',
  },
]
