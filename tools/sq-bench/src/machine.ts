/** Describes the machine that the benchmark ran on. */
import { statfsSync } from 'node:fs'
import { availableParallelism, cpus, machine, release, totalmem, type } from 'node:os'

/** File systems by the number that Linux gives them. */
const FILE_SYSTEMS: ReadonlyMap<number, string> = new Map([
  [0xef53, 'ext4'],
  [0x5846_5342, 'XFS'],
  [0x9123_683e, 'Btrfs'],
  [0x2fc1_2fc1, 'ZFS'],
  [0x794c_7630, 'overlayfs'],
  [0x0102_1994, 'tmpfs, which is not durable'],
])

/** Returns one line: Node, the system, processors, memory, and the file system of the directory. */
export function describeMachine(directory: string): string {
  const { type: number } = statfsSync(directory)
  const fileSystem = FILE_SYSTEMS.get(number) ?? `a file system of type 0x${number.toString(16)}`
  const processors = `${availableParallelism()} cores (${cpus()[0]?.model ?? 'unknown'})`
  const memory = `${(totalmem() / 1024 ** 3).toFixed(0)} GiB of memory`
  return `Node ${process.versions.node}, ${type()} ${release()} ${machine()}, ${processors}, ${memory}, ${fileSystem}`
}
