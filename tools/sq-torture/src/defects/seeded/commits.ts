/** Defects of appends, and of the commits that hold them. */
import type { Defect } from '../defect.ts'

const WAL = 'sq-storage/src/wal'

export const COMMITS_DEFECTS: readonly Defect[] = [
  {
    name: 'an append is acknowledged before its write',
    file: `${WAL}/writing/group-commit.ts`,
    find: '      written = await tail.write(commit)\n',
    replace: '      commit.resolve(baseOffset)\n      written = await tail.write(commit)\n',
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
    name: 'a full shared limit refuses nothing',
    file: `${WAL}/writing/shared-limits.ts`,
    find: 'return this.#pendingBytes === 0 || this.#pendingBytes + bytes <= this.#maxPendingBytes',
    replace: 'return true',
  },
  {
    name: 'an append that is larger than the shared limit is refused although nothing is pending',
    file: `${WAL}/writing/shared-limits.ts`,
    find: 'return this.#pendingBytes === 0 || this.#pendingBytes + bytes',
    replace: 'return this.#pendingBytes + bytes',
  },
  {
    name: 'a writer keeps the limit of its backlog that it was opened with',
    file: `${WAL}/writing/backlog.ts`,
    find: '    this.#config = config\n',
    replace: '    this.#config = { ...config }\n',
  },
  {
    name: 'a caller that waits for room is not told when appends have settled',
    file: `${WAL}/writing/backlog.ts`,
    find: `    if (this.#waiting.size > 0) this.#shared.enqueue(this)
    this.#shared.remove(cost)`,
    replace: '    this.#shared.remove(cost)',
  },
  {
    name: 'segments keep the limits that their writer was opened with',
    file: `${WAL}/writer.ts`,
    find: 'const context = { config: resolved,',
    replace: 'const context = { config: { ...resolved },',
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
    name: 'a timestamp may be any time ahead of the clock',
    file: `${WAL}/writing/checked-record.ts`,
    find: 'if (record.timestampMs > latestMs) {',
    replace: 'if (false) {',
  },
  {
    name: 'a frame with a missing value does not say so',
    file: `${WAL}/writing/commit.ts`,
    find: '      if (record.value === null) attributes |= Attribute.NULL_VALUES\n',
    replace: '',
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
    file: `${WAL}/writing/commit.ts`,
    find: '    this.#buffer.bytes.set(bytes, start + lead.length)\n',
    replace: '    if (lead.length === 0) this.#buffer.bytes.set(bytes, start)\n',
  },
]
