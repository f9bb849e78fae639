/**
 * The seeded defects: promises of the log that are easy to break, each broken once. They change today's sources, so a
 * defect whose text is gone must be written anew, or dropped with the promise it was about.
 */
import type { Defect } from './defect.ts'

const WAL = 'sq-storage/src/wal'
const NODE = 'sq-sim/src/node-file-system.ts'

/** Commits, and what is told about them. */
const COMMITS: readonly Defect[] = [
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
    name: 'readers may read a commit before it is durable',
    file: `${WAL}/shared/shared-log.ts`,
    find: 'return this.#writer?.nextOffset ?? Infinity',
    replace: 'return (this.#writer?.nextOffset ?? Infinity) + 1',
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
    name: 'records are counted though their write failed',
    file: `${WAL}/writing/active-segment.ts`,
    find: 'if (zeros.length > 0 && isDiskFull(error))',
    replace: `const { recordCount, minTimestampMs, maxTimestampMs } = commit
      this.summary.add({ offsetDelta: 0, position, recordCount, minTimestampMs, maxTimestampMs })
      if (zeros.length > 0 && isDiskFull(error))`,
  },
  {
    name: 'appends that are queued after a failure are written',
    file: `${WAL}/writing/group-commit.ts`,
    find: 'for (const commit of [failed, ...behind]) {',
    replace: 'for (const commit of [failed]) {',
  },
  {
    name: 'a rejected commit stays counted as pending',
    file: `${WAL}/writing/group-commit.ts`,
    find: `      this.#settle(commit)
      commit.reject(error)`,
    replace: '      commit.reject(error)',
  },
  {
    name: 'a frame that cannot be copied for tailing readers keeps its callers waiting',
    file: `${WAL}/shared/recent-frames.ts`,
    find: `    try {
      this.#add(written.copy())
    } catch {
      this.clear()
    }`,
    replace: '    this.#add(written.copy())',
  },
  {
    name: 'a clock that throws keeps the callers of a durable commit waiting',
    file: `${WAL}/writing/writer-meter.ts`,
    find: `    try {
      return this.#clock.monotonic() - startedMs
    } catch {
      return 0
    }`,
    replace: '    return this.#clock.monotonic() - startedMs',
  },
  {
    name: 'other work that waits for a failed commit is dropped',
    file: `${WAL}/writing/group-commit.ts`,
    find: 'this.#waiting = this.#waiting.filter((waiting) => !(waiting instanceof Commit))',
    replace: 'this.#waiting = []',
  },
  {
    name: 'two commits are written at the same time',
    file: `${WAL}/writing/group-commit.ts`,
    find: 'if (this.#busy || next === undefined) return',
    replace: 'if (next === undefined) return',
  },
  {
    name: 'an ignored tail that is truncated is damage to a reader that had read it',
    file: `${WAL}/reading/log-cursor.ts`,
    find: 'damageFrom(start, { segment, opened, limit, bound })',
    replace: 'damageFrom(start, { segment, opened, limit, bound: this.nextOffset ?? bound })',
  },
  {
    name: "in the writer's process, a file that has become shorter is not damage",
    file: `${WAL}/reading/log-cursor.ts`,
    find: 'damageFrom(start, { segment, opened, limit, bound })',
    replace: 'damageFrom(start, { segment: { ...segment, successor: null }, opened, limit, bound: Infinity })',
  },
  {
    name: 'a record may change between its check and its copy',
    file: `${WAL}/writing/checked-record.ts`,
    find: 'checked.push(checkRecord(records[nth]))',
    replace: `const read = checkRecord(records[nth])
      checked.push({ ...read, get value() { return records[nth]?.value ?? read.value } })`,
  },
  {
    name: 'a part of a record may change its length between its check and its copy',
    file: `${WAL}/format/record.ts`,
    find: '    if (bytesIn(part) !== bytes) return false\n',
    replace: '',
  },
  {
    name: 'an array of bytes is asked for its length by its own property',
    file: `${WAL}/format/given-bytes.ts`,
    find: 'return byteLength.call(array)',
    replace: 'return array.length',
  },
  {
    name: 'a header may append while its record is copied',
    file: `${WAL}/writing/checked-record.ts`,
    find: 'checked.push(header)',
    replace: 'checked.push({ ...header, get key() { return headers[at]?.key ?? header.key } })',
  },
  {
    name: 'a large buffer goes to the next commit while it is written',
    file: `${WAL}/writing/commit.ts`,
    find: '    const bodyLength = this.#end - FRAME_HEADER_BYTES\n',
    replace: '    const bodyLength = this.#end - FRAME_HEADER_BYTES\n    largeBuffers.give(this.#buffer)\n',
  },
  {
    name: 'a commit that outgrows its buffer loses its earlier records',
    file: `${WAL}/writing/commit.ts`,
    find: '    held.copy(larger.bytes, 0, 0, this.#end)\n',
    replace: '',
  },
  {
    name: 'the event loop never turns between large commits',
    file: `${WAL}/writing/group-commit.ts`,
    find: '    this.#turned = false\n',
    replace: '',
  },
  {
    name: 'a large commit takes its turn before other work',
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
    name: 'preallocation has no limit',
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
    name: 'only the last byte distinguishes preallocated zeros from a torn tail',
    file: `${WAL}/segments/scan.ts`,
    find: 'while (end > 0 && bytes[end - 1] === 0) end--',
    replace: 'if (bytes[end - 1] === 0) end = 0',
  },
  {
    name: 'a batch becomes two frames',
    file: `${WAL}/writer.ts`,
    find: '    return this.#add(BATCH, () => checkRecords(records))\n',
    replace: `    if (records.length < 2) return this.#add(BATCH, () => checkRecords(records))
    const first = this.#add(BATCH, () => checkRecords(records.slice(0, 1)))
    void this.#group.inTurn(() => Promise.resolve())
    this.#add(BATCH, () => checkRecords(records.slice(1))).catch(() => {})
    return first`,
  },
  {
    name: 'the padding of a frame is what the buffer held before',
    file: `${WAL}/format/records-frame.ts`,
    find: '  bytes.fill(0, bodyEnd)\n',
    replace: '',
  },
  {
    name: 'a commit confirms nothing before it',
    file: `${WAL}/format/records-frame.ts`,
    find: 'durablePosition: place.position,',
    replace: 'durablePosition: 0,',
  },
  {
    name: 'a record with another length than was checked is accepted',
    file: `${WAL}/writing/commit.ts`,
    find: 'invariant(end === this.#end + bytes,',
    replace: 'invariant(true,',
  },
]

/** Segments deleted, and logs truncated. */
const SHORTENING: readonly Defect[] = [
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
    name: 'a truncation of a file that failed counts as done',
    file: `${WAL}/writing/truncation.ts`,
    find: '    await handle.truncate(end)\n',
    replace: `    if ((await handle.size()) === end) return
    await handle.truncate(end)
`,
  },
  {
    name: 'truncation drops the older segments first',
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
    name: 'readers are not told of a truncation before it begins',
    file: `${WAL}/writing/log-tail.ts`,
    find: '        begin()\n',
    replace: '',
  },
  {
    name: 'the last segment is deleted before it has a successor',
    file: `${WAL}/writing/log-tail.ts`,
    find: `      await this.#openSegment()
    }
    for (const segment of expired)`,
    replace: `    }
    for (const segment of expired)`,
  },
  {
    name: 'a deletion that was not made durable is forgotten',
    file: `${WAL}/writing/log-tail.ts`,
    find: '    await directory.sync()\n    const active',
    replace: '    const active',
  },
  {
    name: 'a segment with a record that is to be kept is deleted',
    file: `${WAL}/segments/retention.ts`,
    find: 'nextOffset <= belowOffset',
    replace: 'nextOffset <= belowOffset + 1n',
  },
  {
    name: 'a segment goes by age when its smallest timestamp is old',
    file: `${WAL}/segments/retention.ts`,
    find: '{ state, nextOffset, maxTimestampMs }: SegmentInfo',
    replace: '{ state, nextOffset, minTimestampMs: maxTimestampMs }: SegmentInfo',
  },
  {
    name: 'segments are deleted by a clock that is far ahead of the log',
    file: `${WAL}/segments/wall-clock.ts`,
    find: 'if (laterMs - earlierMs > maxAgeMs + MAX_SILENCE_MS) return earlierMs',
    replace: 'if (false) return earlierMs',
  },
  {
    name: 'a clock that runs ahead while a log is open deletes from it',
    file: `${WAL}/segments/wall-clock.ts`,
    find: 'nowMs - expectedMs <= MAX_LEAD_MS',
    replace: 'nowMs - expectedMs < Infinity',
  },
  {
    name: 'a timestamp may lie any time ahead of the clock',
    file: `${WAL}/writing/checked-record.ts`,
    find: 'if (record.timestampMs > latestMs) {',
    replace: 'if (false) {',
  },
  {
    name: 'a segment is young again whenever the log is opened',
    file: `${WAL}/writing/recovery.ts`,
    find: 'clock.monotonic() - Math.max(wallClockMs(clock) - createdMs, 0)',
    replace: 'clock.monotonic()',
  },
  {
    name: 'a damaged SEAL is believed',
    file: `${WAL}/segments/summary.ts`,
    find: 'checksum(body) === seal.bodyCrc ?',
    replace: 'true ?',
  },
]

/** Failures, healing, rotation and the end of a writer. */
const SEGMENTS: readonly Defect[] = [
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
    name: 'a segment that waited for its first record for a year keeps its time of creation',
    file: `${WAL}/writing/log-tail.ts`,
    find: 'const MAX_EMPTY_AGE_MS = 24 * 60 * 60 * 1000',
    replace: 'const MAX_EMPTY_AGE_MS = Infinity',
  },
  {
    name: 'nights in which the monotonic clock stands still add up',
    file: `${WAL}/writing/log-tail.ts`,
    find: `    const active = this.#active
    this.#expectedTime.follow()`,
    replace: '    const active = this.#active',
  },
  {
    name: 'a new segment states the end of the last but one',
    file: `${WAL}/writing/log-tail.ts`,
    find: '    this.#previous = ended.link\n',
    replace: '',
  },
  {
    name: 'after a sealed segment the one before it is linked',
    file: `${WAL}/writing/recovery.ts`,
    find: 'active: null, previous: active.link, expectedTime }',
    replace: 'active: null, previous: head.open.previous, expectedTime }',
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
    find: `    await change()
    await this.sync()`,
    replace: '    await change()',
  },
  {
    name: 'a failed directory sync counts as done',
    file: `${WAL}/writing/partition-directory.ts`,
    find: `    await syncDirectory(this.fs, this.path)
    this.#unsynced = false`,
    replace: `    this.#unsynced = false
    await syncDirectory(this.fs, this.path)`,
  },
  {
    name: 'names change while an earlier change is unsynced',
    file: `${WAL}/writing/partition-directory.ts`,
    find: '    await this.sync()\n    await this.checkLock()\n',
    replace: '    await this.checkLock()\n',
  },
  {
    name: 'a writer that lost its lock gives segments their names',
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
    name: 'an empty segment is rotated away',
    file: `${WAL}/writing/log-tail.ts`,
    find: '    if (active.summary.records === 0) return null\n',
    replace: '',
  },
  {
    name: 'age goes by the wall clock',
    file: `${WAL}/writing/log-tail.ts`,
    find: '    this.#context = context\n',
    replace: `    const now = () => context.clock.now()
    this.#context = { ...context, clock: { now, monotonic: now } }\n`,
  },
  {
    name: 'close does not end an abandoned segment',
    file: `${WAL}/writing/log-tail.ts`,
    find: '      if (this.#active?.abandoned === true) await this.#openSegment()\n',
    replace: '',
  },
  {
    name: 'close does not wait for its turn',
    file: `${WAL}/writer.ts`,
    find: 'this.#closing ??= this.#group.inTurn(() => this.#shutDown())',
    replace: 'this.#closing ??= this.#shutDown()',
  },
  {
    name: 'close writes no durability marker if an earlier one exists',
    file: `${WAL}/writing/active-segment.ts`,
    find: `nextOffset + commit.recordCount)
    this.#confirmed = false`,
    replace: 'nextOffset + commit.recordCount)',
  },
  {
    name: 'the lock is given up before the last write',
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
    name: 'the path is asked which file is locked',
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
    name: 'the directory above all others is not synced',
    file: `${WAL}/writing/partition-directory.ts`,
    find: 'dataDir, dirname(dataDir)])',
    replace: 'dataDir])',
  },
]

/** What a writer does with the log it finds. */
const RECOVERY: readonly Defect[] = [
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
    name: 'recovery takes the last commit as confirmed',
    file: `${WAL}/segments/unconfirmed.ts`,
    find: 'this.#confirmedTo = Math.max(this.#confirmedTo, frame.header.durablePosition)',
    replace: 'this.#confirmedTo = Math.max(this.#confirmedTo, frameEnd(frame.header))',
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
    find: '  #unsynced = true\n\n',
    replace: '  #unsynced = false\n\n',
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
    name: 'recovery changes a log whose directory took the place of the locked one',
    file: `${WAL}/writing/recovery.ts`,
    find: '    await directory.checkLock()\n    await makeDurable',
    replace: '    await makeDurable',
  },
  {
    name: 'recovery writes no MARK',
    file: `${WAL}/writing/recovery.ts`,
    find: 'await active.mark().then(() => null, asError)',
    replace: 'null',
  },
  {
    name: 'a relative path changes with the working directory',
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
    name: 'a new segment after a failure has no cause',
    file: `${WAL}/writing/active-segment.ts`,
    find: 'this.#failure = asError(error)',
    replace: "this.#failure = new Error('broken')",
  },
  {
    name: 'recovery truncates a damaged SEAL',
    file: `${WAL}/writing/recovery.ts`,
    find: 'if (stop.header?.type === FrameType.SEAL) {',
    replace: 'if (stop.header?.type === FrameType.OPEN) {',
  },
  {
    name: 'a SEAL is rebuilt with another durablePosition',
    file: `${WAL}/writing/recovery.ts`,
    find: '{ durablePosition: stop.header.durablePosition }',
    replace: '{ durablePosition: place.position }',
  },
  {
    name: 'the next segment links to what came before a rebuilt SEAL',
    file: `${WAL}/writing/recovery.ts`,
    find: 'position: frameEnd(seal.header), previousCrc: seal.header.headerCrc }',
    replace: 'position: frameEnd(seal.header) }',
  },
  {
    name: 'recovery does not check the links between segments',
    file: `${WAL}/writing/recovery.ts`,
    find: '        await verifyLink(before, opened.head)\n',
    replace: '',
  },
  {
    name: 'recovery does not remove next.tmp',
    file: `${WAL}/writing/recovery.ts`,
    find: '  await directory.removeUnfinished()\n',
    replace: '',
  },
  {
    name: 'two MARKs are in one sector',
    file: `${WAL}/format/seal.ts`,
    find: 'Math.ceil((place.position + FRAME_HEADER_BYTES) / MARK_BOUNDARY_BYTES) * MARK_BOUNDARY_BYTES',
    replace: 'place.position + FRAME_HEADER_BYTES',
  },
  {
    name: 'the first MARK of a pair confirms the log',
    file: `${WAL}/format/frame.ts`,
    find: 'header.durablePosition < header.position)',
    replace: 'header.durablePosition <= header.position)',
  },
]

/** What is checked of bytes that were read. */
const CHECKSUMS: readonly Defect[] = [
  {
    name: 'the chain of frames is not checked',
    file: `${WAL}/segments/scan.ts`,
    find: 'header.previousCrc !== this.#previousCrc',
    replace: 'false',
  },
  {
    name: 'a frame may leave offsets out',
    file: `${WAL}/segments/scan.ts`,
    find: 'if (header.baseOffset !== this.#nextOffset) {',
    replace: 'if (header.baseOffset < this.#nextOffset) {',
  },
  {
    name: 'the salt is left out of checksums',
    file: `${WAL}/format/frame.ts`,
    find: 'return crc32(bytes, seed)',
    replace: 'return crc32(bytes)',
  },
  {
    name: 'the checksum of a header is not checked',
    file: `${WAL}/format/frame.ts`,
    find: 'checksum(source.subarray(at, at + AT.headerCrc), salt) !== headerCrc',
    replace: 'false',
  },
  {
    name: 'the position in a header is not checked',
    file: `${WAL}/format/frame.ts`,
    find: ' || source.readUInt32LE(at + AT.position) !== position) return null',
    replace: ') return null',
  },
  {
    name: 'the checksum of a body is not checked',
    file: `${WAL}/segments/scan.ts`,
    find: 'bodyCrc !== header.bodyCrc',
    replace: 'false',
  },
  {
    name: 'the padding of a frame is not checked',
    file: `${WAL}/segments/scan.ts`,
    find: 'bytes[at] !== 0',
    replace: 'false',
  },
  {
    name: 'an unknown kind of frame counts as torn',
    file: `${WAL}/segments/scan.ts`,
    find: 'throw new UnsupportedFormatError({ path: this.#handle.path, position: this.#position, found: unknown })',
    replace: 'return this.#stopAt(unknown)',
  },
  {
    name: 'frames may follow a SEAL',
    file: `${WAL}/segments/scan.ts`,
    find: 'if (this.#sealed)',
    replace: 'if (false)',
  },
  {
    name: 'a read takes as much memory as a length says',
    file: `${WAL}/segments/scan.ts`,
    find: 'Buffer.allocUnsafe(Math.min(length, this.#limit - position))',
    replace: 'Buffer.allocUnsafe(length)',
  },
  {
    name: 'the confirming frame is searched for at every second position only',
    file: `${WAL}/segments/frame-search.ts`,
    find: 'nextMarker(window, at + FRAME_ALIGNMENT)',
    replace: 'nextMarker(window, at + 2 * FRAME_ALIGNMENT)',
  },
  {
    name: 'the confirming frame is searched for in the first chunk only',
    file: `${WAL}/segments/frame-search.ts`,
    find: 'this.#unread = start + roundUp(bytesRead - FRAME_HEADER_BYTES + 1)',
    replace: 'this.#unread = to',
  },
  {
    name: 'a frame that confirms only what is already intact counts as confirmation',
    file: `${WAL}/segments/frame-search.ts`,
    find: 'durablePosition > from)',
    replace: 'durablePosition >= from)',
  },
  {
    name: 'a search starts again for every position',
    file: `${WAL}/segments/frame-search.ts`,
    find: '    const readBefore = this.#unread\n',
    replace: `    this.#unread = from
    this.#headers = []
    this.#passed = 0
    const readBefore = this.#unread
`,
  },
  {
    name: 'a search uses outdated bytes to say that there is none',
    file: `${WAL}/segments/frame-search.ts`,
    find: 'if (found !== null || readBefore <= from) return found',
    replace: 'return found',
  },
  {
    name: 'the index of a SEAL may have any number of entries',
    file: `${WAL}/format/seal.ts`,
    find: 'indexBytes > maxIndexBytes || ',
    replace: '',
  },
  {
    name: 'the body of a frame may be as long as its length can say',
    file: `${WAL}/format/frame.ts`,
    find: 'if (header.bodyLength > longest) {',
    replace: 'if (header.bodyLength < 0) {',
  },
  {
    name: 'a frame may end where no position is',
    file: `${WAL}/format/frame.ts`,
    find: 'return end > MAX_POSITION ?',
    replace: 'return end < 0 ?',
  },
  {
    name: 'a segment may be longer than its positions reach',
    file: `${WAL}/segments/segment-file.ts`,
    find: '  if (size <= MAX_POSITION) return\n',
    replace: '  if (size >= 0) return\n',
  },
  {
    name: 'a long body is held in memory before its checksum is compared',
    file: `${WAL}/segments/scan.ts`,
    find: 'needed > LARGE_FRAME_BYTES) await',
    replace: 'needed < 0) await',
  },
  {
    name: 'each unconfirmed commit is held separately',
    file: `${WAL}/segments/unconfirmed.ts`,
    find: 'if (last?.memory === memory && last.end === start) last.end += length',
    replace: 'if (last?.memory === memory && last.end === start && length === 0) last.end += length',
  },
  {
    name: 'a million problems make a report of a million problems',
    file: `${WAL}/checking/report.ts`,
    find: 'return this.all.length >= MAX_FINDINGS',
    replace: 'return this.all.length < 0',
  },
  {
    name: 'the last frame of a link is not compared',
    file: `${WAL}/segments/segment-file.ts`,
    find: 'if (last === null || last.headerCrc !== link.lastCrc) throw',
    replace: 'if (last === null) throw',
  },
  {
    name: 'the last frame of a link may be missing',
    file: `${WAL}/segments/segment-file.ts`,
    find: 'if (last === null || last.headerCrc !== link.lastCrc) throw',
    replace: 'if (last === null) return { link, lastType: 0 }\n  if (last.headerCrc !== link.lastCrc) throw',
  },
  {
    name: 'a segment may be shorter than its successor states',
    file: `${WAL}/segments/segment-file.ts`,
    find: 'size < link.end',
    replace: 'false',
  },
  {
    name: 'a segment may have the name of another',
    file: `${WAL}/segments/segment-file.ts`,
    find: 'frame.baseOffset !== baseOffset',
    replace: 'false',
  },
  {
    name: 'a segment may be in the directory of another partition',
    file: `${WAL}/segments/segment-file.ts`,
    find: 'if (open.topic !== partition.topic || segmentHeader.partition !== partition.partition) {',
    replace: 'if (open.topic !== partition.topic) {',
  },
  {
    name: 'the body of OPEN is not checked',
    file: `${WAL}/segment.ts`,
    find: 'checksum(body) === frame.bodyCrc ? decodeOpenBody(body) : null',
    replace: 'decodeOpenBody(body)',
  },
]

/** Reading. */
const READING: readonly Defect[] = [
  {
    name: 'an iteration ends one record too late',
    file: `${WAL}/reading/pages.ts`,
    find: 'Math.min(recordCount, to - baseOffset)',
    replace: 'Math.min(recordCount, to - baseOffset + 1)',
  },
  {
    name: 'one whole commit too many is read',
    file: `${WAL}/reading/pages.ts`,
    find: 'baseOffset >= range.to',
    replace: 'baseOffset > range.to',
  },
  {
    name: 'a read by time skips a record with exactly this timestamp',
    file: `${WAL}/reading/pages.ts`,
    find: '({ timestampMs }) => timestampMs >= this.#sinceMs',
    replace: '({ timestampMs }) => timestampMs > this.#sinceMs',
  },
  {
    name: 'a search by time skips a segment whose last timestamp is exactly this one',
    file: `${WAL}/shared/time-index.ts`,
    find: 'maxTimestampMs < timestampMs) return null',
    replace: 'maxTimestampMs <= timestampMs) return null',
  },
  {
    name: 'a reader goes past the end that the successor states',
    file: `${WAL}/reading/log-cursor.ts`,
    find: 'stated?.limit ?? (await',
    replace: '(await',
  },
  {
    name: 'a reader ignores the high watermark of the writer in its process',
    file: `${WAL}/shared/shared-log.ts`,
    find: 'return this.#writer?.nextOffset ?? Infinity',
    replace: 'return Infinity',
  },
  {
    name: 'a reader does not ask again for a writer that came later',
    file: `${WAL}/reading/log-cursor.ts`,
    find: 'bound === Infinity ? shared.highWatermark : bound',
    replace: 'bound',
  },
  {
    name: 'a reader skips missing records in the middle',
    file: `${WAL}/reading/log-cursor.ts`,
    find: '      this.#suspect = error\n',
    replace: `      this.#suspect = null
      if (error !== null) this.#place.advanceInside(Math.min(reading.bound, segment.successor?.baseOffset ?? Infinity))
`,
  },
  {
    name: 'a reader continues after records that it returned were rolled back',
    file: `${WAL}/reading/read-place.ts`,
    find: 'if (head.baseOffset !== place.nextOffset) return false',
    replace: 'if (head.baseOffset !== place.nextOffset) return true',
  },
  {
    name: 'a reader accepts any segment that starts at its offset',
    file: `${WAL}/reading/read-place.ts`,
    find: 'if (before?.baseOffset !== baseOffset || before.end < recordsEnd.position) return false',
    replace: 'if (before !== null) return true',
  },
  {
    name: 'a reader takes an equal salt for what it has read of a segment',
    file: `${WAL}/reading/read-place.ts`,
    find: 'if (last.end.position <= limit && (await isThere(last, segment, log))) return last.end',
    replace: 'if (last.end.position <= limit) return last.end',
  },
  {
    name: 'a reader takes an equal salt for the end that a successor states',
    file: `${WAL}/reading/read-place.ts`,
    find: 'return segment === undefined || last === null || (await isThere(last, segment, log))',
    replace: 'return segment === undefined || (await log.headOf(segment)).frame.headerCrc === place.salt',
  },
  {
    name: 'the records of a reader are not compared when a writer is opened in its process',
    file: `${WAL}/reading/log-cursor.ts`,
    find: 'return !this.#place.hasReturned || this.#comparedAfter === this.#context.shared.openings',
    replace: 'return true',
  },
  {
    name: 'an index is used after its frames are gone',
    file: `${WAL}/shared/segment-index.ts`,
    find: 'if (this.#last !== null && !(await isThere(segment, this.#last))) {',
    replace: 'if (this.#last !== null && this.#place === null) {',
  },
  {
    name: 'a reader stays with the directory that its path led to when it began to look',
    file: `${WAL}/reading/log-cursor.ts`,
    find: '      await this.#context.checkDirectory()\n      this.#place.enter(opened.head, start)\n',
    replace: '      this.#place.enter(opened.head, start)\n',
  },
  {
    name: 'a reader that moves to another directory trusts what is there',
    file: `${WAL}/reading/frame-stream.ts`,
    find: 'else if (cursor !== null) this.#cursor = cursor.movedTo(this.#cursorContext(moved))',
    replace: 'void moved\n    void cursor',
  },
  {
    name: 'a watch does not report that its path leads to another directory',
    file: 'sq-sim/src/path-watch.ts',
    find: 'if (changed === null || names.has(changed)) this.#changed(watched)',
    replace: 'if (changed === null) this.#changed(watched)',
  },
  {
    name: 'an iteration leaves its listener on the signal when it is woken',
    file: `${WAL}/reading/signal-ending.ts`,
    find: `if (this.#waiting.delete(waker) && this.#waiting.size === 0)
      this.#signal.removeEventListener('abort', this.#onAbort)`,
    replace: 'this.#waiting.delete(waker)',
  },
  {
    name: 'a waiting call of next skips the records that the call before it left',
    file: `${WAL}/reading/page-iterator.ts`,
    find: 'const pages = this.#at < this.#page.length ? null : this.#pages',
    replace: 'const pages = this.#pages',
  },
  {
    name: 'an iteration that was dropped holds its file for good',
    file: `${WAL}/reading/page-iterator.ts`,
    find: '    dropped.register(this, pages, this)\n',
    replace: '',
  },
  {
    name: 'a frame that verifies and holds no records is skipped',
    file: `${WAL}/reading/pages.ts`,
    find: 'if (records === null) throw notRecords(this.#path, this.frame.header)',
    replace: 'if (records === null) {\n      this.left = 0\n      return []\n    }',
  },
  {
    name: 'a reader that finds damage does not look twice',
    file: `${WAL}/reading/log-cursor.ts`,
    find: 'if (error !== null && this.#suspect?.from === error.from && this.#suspect.path === error.path) throw error',
    replace: 'if (error !== null) throw error',
  },
  {
    name: 'a reader is not notified of a truncation',
    file: `${WAL}/shared/shared-log.ts`,
    find: '    this.cuts.push(offset)\n',
    replace: '',
  },
  {
    name: 'the commits in memory survive a truncation',
    file: `${WAL}/shared/shared-log.ts`,
    find: '    this.cuts.push(offset)\n    this.recent.clear()\n',
    replace: '    this.cuts.push(offset)\n',
  },
  {
    name: 'a reader trusts what it knows of a segment whose successor may be gone',
    file: `${WAL}/shared/segment-index.ts`,
    find: 'if (isListedNow && end?.',
    replace: 'if (end?.',
  },
  {
    name: 'a search by time believes what it knows of segments that are gone',
    file: `${WAL}/shared/time-index.ts`,
    find: "if (before !== undefined && !times.isAsKnown(before, opened.head)) return 'not as known'",
    replace: '',
  },
  {
    name: 'a reader gets a file that others have open, even if another file has its name now',
    file: `${WAL}/shared/shared-files.ts`,
    find: 'return identity === stat.identity ? opened : null',
    replace: 'return stat.identity ? opened : null',
  },
  {
    name: 'a file that others read is closed by the first who lets it go',
    file: `${WAL}/shared/shared-files.ts`,
    find: 'if (--file.holders > 0) return',
    replace: 'file.holders--',
  },
  {
    name: 'a file that nobody reads any more stays open',
    file: `${WAL}/shared/shared-files.ts`,
    find: '    if (opened !== null) await opened.handle.close()\n',
    replace: '',
  },
  {
    name: 'durableOnly returns the last commit, which is unconfirmed',
    file: `${WAL}/segments/unconfirmed.ts`,
    find: 'frameEnd(header) > this.#confirmedTo',
    replace: 'header.position > this.#confirmedTo',
  },
  {
    name: 'a MARK counts as confirmation of everything before it',
    file: `${WAL}/segments/unconfirmed.ts`,
    find: 'Math.max(this.#confirmedTo, header.durablePosition)',
    replace: 'Math.max(this.#confirmedTo, header.position)',
  },
  {
    name: 'durableOnly does not return the records before damage',
    file: `${WAL}/reading/log-cursor.ts`,
    find: '      if (damage?.isConfirmed === true) found = await this.#pass(reading, reading.confirmed?.takeAll() ?? [])\n',
    replace: '',
  },
  {
    name: 'a reader takes the last segment it knew of for the last',
    file: `${WAL}/reading/log-cursor.ts`,
    find: '?.successor === null) this.#listed = []',
    replace: '?.successor?.baseOffset === -1) this.#listed = []',
  },
  {
    name: 'a log is given up after some of its segments were deleted, whichever they were',
    file: `${WAL}/segments/segment-listing.ts`,
    find: 'error.path === this.#path ? this.#inSuccession + 1 : 1',
    replace: 'this.#inSuccession + 1',
  },
  {
    name: 'a reader takes segments that were replaced for damaged',
    file: `${WAL}/reading/log-cursor.ts`,
    find: 'if (isAgain || !isAboutSegments(error)) absences',
    replace: 'absences',
  },
  {
    name: 'a reader does not look again after the bytes that it has read before',
    file: `${WAL}/reading/log-cursor.ts`,
    find: 'let isFromBefore = this.#reading !== null',
    replace: 'let isFromBefore = false',
  },
  {
    name: 'a reader goes on in memory wherever the offset fits',
    file: `${WAL}/reading/frame-stream.ts`,
    find: '|| !cursor.isFollowedBy(recent[0])',
    replace: '',
  },
  {
    name: 'a reader that got a part of a commit gets that part again',
    file: `${WAL}/reading/frame-stream.ts`,
    find: 'return isRepeated ?',
    replace: 'return false ?',
  },
  {
    name: 'a commit does not wake a tailing reader',
    file: `${WAL}/shared/shared-log.ts`,
    find: '    this.#notifySoon()\n',
    replace: '',
  },
  {
    name: 'commits in memory are given out with a gap',
    file: `${WAL}/shared/recent-frames.ts`,
    find: 'return this.#frames[at]?.frame.header.baseOffset === offset ? this.#frames.slice(at) : []',
    replace: 'return this.#frames.slice(Math.max(at, 0))',
  },
  {
    name: 'an index leads past the requested record',
    file: `${WAL}/shared/segment-index.ts`,
    find: 'head.baseOffset + offsetDelta <= wanted &&',
    replace: 'head.baseOffset + offsetDelta <= wanted + 1 &&',
  },
  {
    name: 'a search by time examines all segments at the same time',
    file: `${WAL}/shared/time-index.ts`,
    find: 'Math.min(most, MAX_TOGETHER, ',
    replace: 'Math.min(most, ',
  },
  {
    name: 'a search by time takes the next frame',
    file: `${WAL}/shared/time-index.ts`,
    find: 'indexed.maxTimestampMs < timestampMs &&',
    replace: 'indexed.maxTimestampMs <= timestampMs &&',
  },
]

/** The real file system. */
const FILE_SYSTEM: readonly Defect[] = [
  {
    name: 'files are opened without O_DSYNC',
    file: NODE,
    find: 'writing ? O_RDWR | O_DSYNC : O_RDONLY',
    replace: 'writing ? O_RDWR : O_RDONLY',
  },
  {
    name: 'a new directory is not made durable',
    file: NODE,
    find: '      await this.syncDirectory(paths.dirname(directory))\n',
    replace: '',
  },
  {
    name: 'a failed directory sync is not told',
    file: NODE,
    find: `codeOf(error) !== 'EINVAL'`,
    replace: 'false',
  },
  {
    name: 'a directory that replaces a watched one is not watched',
    file: 'sq-sim/src/path-watch.ts',
    find: '    this.#onWalked()\n',
    replace: '',
  },
  {
    name: 'a directory that may not be read is never synced',
    file: NODE,
    find: 'isDenied(error) && !(await mayChange(path))',
    replace: 'isDenied(error)',
  },
  {
    name: 'a lock that another holds is taken',
    file: 'sq-sim/src/file-lock.ts',
    find: 'if (tryLock(descriptor)) return',
    replace: 'tryLock(descriptor)\n      return',
  },
  {
    name: 'anybody may open a lock, and so take it',
    file: 'sq-sim/src/file-lock.ts',
    find: '{ mode: PRIVATE }',
    replace: '{}',
  },
  {
    name: 'a link in the place of a file is followed',
    file: 'sq-sim/src/regular-file.ts',
    find: '(optional.O_NOFOLLOW ?? 0) | (',
    replace: '(',
  },
  {
    name: 'what is no regular file is opened like one',
    file: 'sq-sim/src/regular-file.ts',
    find: 'if (refusal !== null) throw refusal',
    replace: '',
  },
  {
    name: 'what root makes in a directory of somebody else stays its own',
    file: 'sq-sim/src/new-file.ts',
    find: 'if (made.uid === uid && made.gid === gid) return true',
    replace: 'return made.uid === uid && made.gid === gid',
  },
  {
    name: 'where the owner may not be given, the group is not given either',
    file: 'sq-sim/src/new-file.ts',
    find: '(await giveTo(made.uid))',
    replace: 'false',
  },
  {
    name: 'a topic or partition that is a link is followed',
    file: 'sq-storage/src/wal/segments/directory-links.ts',
    find: `if (stat.kind === 'link') throw linkError(path)`,
    replace: '',
  },
  {
    name: 'the rest of a short write is forgotten',
    file: 'sq-sim/src/write-progress.ts',
    find: '      if (this.#written < buffer.byteLength) break\n      this.#written -= buffer.byteLength\n',
    replace:
      '      if (this.#written === 0) break\n      this.#written = Math.max(this.#written - buffer.byteLength, 0)\n',
  },
]

export const DEFECTS: readonly Defect[] = [
  ...COMMITS,
  ...SEGMENTS,
  ...SHORTENING,
  ...RECOVERY,
  ...CHECKSUMS,
  ...READING,
  ...FILE_SYSTEM,
]
