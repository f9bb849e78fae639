/** Defects of recovery. */
import type { Defect } from '../defect.ts'

const WAL = 'sq-storage/src/wal'

export const RECOVERY_DEFECTS: readonly Defect[] = [
  {
    name: 'preallocated zeros count as torn',
    file: `${WAL}/writing/recovery.ts`,
    find: 'await restOf(handle, { from: place.position, to: fileBytes, salt: place.salt })',
    replace: '{ tornEnd: fileBytes }',
  },
  {
    name: 'the age of a segment starts again when the log is opened',
    file: `${WAL}/writing/recovery.ts`,
    find: 'clock.monotonic() - Math.max(wallClockMs(clock) - createdMs, 0)',
    replace: 'clock.monotonic()',
  },
  {
    name: 'after recovery of a sealed segment, the next one links to the segment before it',
    file: `${WAL}/writing/recovery.ts`,
    find: 'previous: active.link }',
    replace: 'previous: head.open.previous }',
  },
  {
    name: 'after recovery of a sealed segment without records, the next one links to itself',
    file: `${WAL}/writing/recovery.ts`,
    find: '    if (summary.records === 0) return { ...sealedLog, ended, previous }\n',
    replace: '',
  },
  {
    name: 'recovery does not replace a sealed segment without records',
    file: `${WAL}/writing/recovery.ts`,
    find: 'active: await ActiveSegment.create(maker, successor) }',
    replace: 'active: null }',
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
    name: 'recovery cuts a log before it looks what is in the way of the next segment',
    file: `${WAL}/writing/recovery.ts`,
    find: '    await settle(directory)\n    await makeDurable(last, found)\n',
    replace: '    await directory.checkLock()\n    await makeDurable(last, found)\n    await settle(directory)\n',
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
    name: 'recovery writes no MARK',
    file: `${WAL}/writing/recovery.ts`,
    find: 'await active.mark().then(() => null, asError)',
    replace: 'null',
  },
  {
    name: 'recovery that cannot write its MARKs does not fail',
    file: `${WAL}/writing/recovery.ts`,
    find: 'const markError = await active.mark().then(() => null, asError)',
    replace: 'const markError = await active.mark().then(() => null, () => null)',
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
    name: 'recovery does not remove next.tmp',
    file: `${WAL}/writing/recovery.ts`,
    find: '  await directory.removeUnfinished()\n',
    replace: '',
  },
]
