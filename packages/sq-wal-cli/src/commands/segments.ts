/** `sq-wal segments`: its options and its help. */
import type { Command } from 'commander'
import { addLogArgument, parseLogName } from '../log-name.ts'
import type { SegmentsOptions } from '../run/segments.ts'

export function addSegmentsCommand(program: Command): void {
  addLogArgument(program.command('segments'))
    .summary('list the segments of a log, and draw them')
    .description(
      'Lists the segments of a log, and draws each as a bar to scale. In logs of up to 256 MB every commit is drawn, ' +
        'and what stands in a file behind its last valid byte.',
    )
    .option('--json', 'write JSON')
    .option('--svg <file>', 'write the drawing to this file, too; "-" writes it to standard output, and nothing else')
    .addHelpText(
      'after',
      `
Examples:
  sq-wal segments orders/0 -d /var/lib/broker
  sq-wal segments /var/lib/broker/orders/0 --svg orders.svg

States: active (still written to), sealed (ended), abandoned (its successor states its end, after a
failed write). Where damage keeps
the log from being listed, damaged and unknown, and what can be told of each file.

Exit status: 0, 1 where the log has a problem, which logs over 256 MB are not looked through for, 2 on misuse.`,
    )
    .action(async (log: string, options: SegmentsOptions) => {
      const { segments } = await import('../run/segments.ts')
      process.exitCode = await segments(parseLogName(log, options), options)
    })
}
