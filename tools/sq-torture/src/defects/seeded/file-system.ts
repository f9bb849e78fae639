/** Defects of the real file system. */
import type { Defect } from '../defect.ts'

const SIM = 'sq-sim/src'

export const FILE_SYSTEM_DEFECTS: readonly Defect[] = [
  {
    name: 'a watch does not report that its path leads to another directory',
    file: `${SIM}/path-watch.ts`,
    find: 'if (changed === null || names.has(changed)) this.#changed(watched)',
    replace: 'if (changed === null) this.#changed(watched)',
  },
  {
    name: 'files are opened without O_DSYNC',
    file: `${SIM}/node-file-system.ts`,
    find: 'writing ? O_RDWR | O_DSYNC : O_RDONLY',
    replace: 'writing ? O_RDWR : O_RDONLY',
  },
  {
    name: 'a new directory is not made durable',
    file: `${SIM}/node-file-system.ts`,
    find: '      await this.syncDirectory(paths.dirname(directory))\n',
    replace: '',
  },
  {
    name: 'a failed directory sync is not reported',
    file: `${SIM}/node-file-system.ts`,
    find: `codeOf(error) !== 'EINVAL'`,
    replace: 'false',
  },
  {
    name: 'a directory that replaces a watched one is not watched',
    file: `${SIM}/path-watch.ts`,
    find: '    this.#onWalked()\n',
    replace: '',
  },
  {
    name: 'a writable directory without read permission is silently not synced',
    file: `${SIM}/node-file-system.ts`,
    find: 'isDenied(error) && !(await mayChange(path))',
    replace: 'isDenied(error)',
  },
  {
    name: 'a lock that is held is taken again',
    file: `${SIM}/file-lock.ts`,
    find: 'if (tryLock(descriptor)) return',
    replace: 'tryLock(descriptor)\n      return',
  },
  {
    name: 'every user can open the lock file, and so take the lock',
    file: `${SIM}/file-lock.ts`,
    find: '{ mode: PRIVATE }',
    replace: '{}',
  },
  {
    name: 'a symbolic link in place of a file is followed',
    file: `${SIM}/regular-file.ts`,
    find: '(optional.O_NOFOLLOW ?? 0) | (',
    replace: '(',
  },
  {
    name: 'a file that is not regular is opened',
    file: `${SIM}/regular-file.ts`,
    find: 'if (refusal !== null) throw refusal',
    replace: '',
  },
  {
    name: "files that root creates in another user's directory belong to root",
    file: `${SIM}/new-file.ts`,
    find: 'if (made.uid === uid && made.gid === gid) return true',
    replace: 'return made.uid === uid && made.gid === gid',
  },
  {
    name: 'the group of a new file is not set if its owner cannot be set',
    file: `${SIM}/new-file.ts`,
    find: '(await giveTo(made.uid))',
    replace: 'false',
  },
  {
    name: 'a short write is not continued',
    file: `${SIM}/write-progress.ts`,
    find: '      if (this.#written < buffer.byteLength) break\n      this.#written -= buffer.byteLength\n',
    replace:
      '      if (this.#written === 0) break\n      this.#written = Math.max(this.#written - buffer.byteLength, 0)\n',
  },
]
