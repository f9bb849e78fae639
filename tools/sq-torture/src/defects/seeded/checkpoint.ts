/** Defects of checkpoints. */
import type { Defect } from '../defect.ts'

const WAL = 'sq-storage/src/wal'

export const CHECKPOINT_DEFECTS: readonly Defect[] = [
  {
    name: 'a checkpoint has no log start',
    file: `${WAL}/writing/checkpoint.ts`,
    find: 'if (staged.start > 0)',
    replace: 'if (staged.start < 0)',
  },
  {
    name: 'a segment that is linked in a checkpoint is truncated in place',
    file: `${WAL}/writing/truncation.ts`,
    find: '.links > 1\n',
    replace: '.links > 1000\n',
  },
  {
    name: 'the last segment of a checkpoint is linked',
    file: `${WAL}/writing/checkpoint.ts`,
    find: 'if (name === last) await',
    replace: "if (name === '') await",
  },
  {
    name: 'a checkpoint has what follows the end of the log',
    file: `${WAL}/writing/checkpoint.ts`,
    find: 'copyFile(fs, { from, to, bytes: lastEnd })',
    replace: 'copyFile(fs, { from, to })',
  },
  {
    name: 'the names in a checkpoint or copy are not synced',
    file: `${WAL}/writing/temporary-directory.ts`,
    find: '    await syncDirectory(fs, unfinished)\n',
    replace: '',
  },
  {
    name: 'the name of a checkpoint or copy is not synced',
    file: `${WAL}/writing/temporary-directory.ts`,
    find: '    await syncDirectory(fs, dirname(directory))\n',
    replace: '',
  },
  {
    name: 'the copy of a log is not verified before it appears',
    file: `${WAL}/copy-log.ts`,
    find: '    await check(target.fs, { ...to, directory: unfinished }, from)\n',
    replace: '',
  },
  {
    name: 'the copy of a log holds what is not acknowledged',
    file: `${WAL}/copy-log.ts`,
    find: 'highWatermark: () => sharedLog(identity).highWatermark',
    replace: 'highWatermark: () => Infinity',
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
]
