/** `sq-wal bench`: its options and its help. */
import type { Command } from 'commander'
import { parseCount } from '../place.ts'
import type { BenchOptions } from '../run/bench.ts'

export function addBenchCommand(program: Command): void {
  program
    .command('bench')
    .summary('measure this disk and the log on it')
    .description(
      'Measures appends to a temporary log, one record at a time and with many in flight. The baseline is the disk ' +
        'without a log: one write and one fdatasync after the other.',
    )
    .argument('[dir]', 'a directory on the disk to measure (default: the working directory)')
    .option('--seconds <n>', 'duration of each measurement, in seconds', parseCount(1), 2)
    .option('--value-bytes <n>', 'size of each value, in bytes', parseCount(0), 256)
    .option('--json', 'print JSON; latencies are in milliseconds')
    .addHelpText(
      'after',
      `
Examples:
  sq-wal bench /var/lib/broker
  sq-wal bench --seconds 10 --value-bytes 4096 --json

Every record counted is durable. Latency is the time from an append to its acknowledgement. A measurement writes at most
a quarter of the free space and at most 4 GB, and removes its files when it ends. The file of the baseline grows with
each write, as the log's file does.

Exit status: 0 on success; 1 on failure; 2 for a usage error; 130 after Ctrl-C.`,
    )
    .action(async (directory: string | undefined, options: BenchOptions) => {
      const { bench } = await import('../run/bench.ts')
      process.exitCode = await bench(directory ?? '.', options)
    })
}
