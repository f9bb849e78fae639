/** `sq-wal bench`: its options and its help. */
import type { Command } from 'commander'
import { parseCount } from '../place.ts'
import type { BenchOptions } from '../run/bench.ts'

export function addBenchCommand(program: Command): void {
  program
    .command('bench')
    .summary('measure this disk, and the log on it')
    .description(
      'Appends to a log in a directory of its own, which is removed at the end: one record at a time, and many in ' +
        'flight. Beside it stands what the disk does without a log: write and fdatasync, one after the other.',
    )
    .argument('[dir]', 'a directory on the disk that is meant (default: the working directory)')
    .option('--seconds <n>', 'how long each measurement takes', parseCount(1), 2)
    .option('--value-bytes <n>', 'how large a record is', parseCount(0), 256)
    .option('--json', 'write JSON, latencies in milliseconds')
    .addHelpText(
      'after',
      `
Examples:
  sq-wal bench /var/lib/broker
  sq-wal bench --seconds 10 --value-bytes 4096 --json

Every record counted is durable. A latency is the time from an append to its acknowledgement. A measurement writes no
more than a quarter of the space that is free, nor than 4 GB, and removes what it wrote when it ends. The file without a
log grows with each write; so does the log's. Exit status: 0, 1 where something failed, 2 on misuse, 130 after Ctrl-C.`,
    )
    .action(async (directory: string | undefined, options: BenchOptions) => {
      const { bench } = await import('../run/bench.ts')
      process.exitCode = await bench(directory ?? '.', options)
    })
}
