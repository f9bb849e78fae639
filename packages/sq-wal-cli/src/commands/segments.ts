/** `sq-wal segments`: its options and its help. */
import type { Command } from 'commander'
import { addLogsArgument, SELECTION_HELP, withSelection } from '../log-selection.ts'
import type { SelectionOptions } from '../log-selection.ts'
import { addArchiveOption } from '../log-source.ts'
import type { SegmentsOptions } from '../run/segments.ts'
import { addLocalOption } from '../written-time.ts'

export function addSegmentsCommand(program: Command): void {
  addLocalOption(addArchiveOption(addLogsArgument(program.command('segments'))))
    .summary('list the segments of logs and draw them')
    .description(
      'Lists the segments of a log and draws each as a bar to scale. In logs of up to 256 MB, the drawing shows every ' +
        'commit and the bytes after the last valid one. If there are too many, it is a heat map of the log from its ' +
        'first byte to its last: the shade is the mean size of commits, and damage is always drawn.',
    )
    .option('--json', 'print JSON')
    .option('--svg <file>', 'also write the drawing to this file as SVG; "-" prints only the SVG')
    .addHelpText(
      'after',
      `
Examples:
  sq-wal segments orders/0 -d /var/lib/broker
  sq-wal segments /var/lib/broker/orders/0 --svg orders.svg
  sq-wal segments 'web/*' --json | jq '.[] | select(.state == "active").records'
  sq-wal segments orders/0 --store s3://backup/main

States: active (still written to), sealed (complete), abandoned (the writer rolled over to a new segment after a
failed write). If damage prevents a listing, each file is shown with what is known of it, as damaged or unknown.
${SELECTION_HELP}

Exit status: 0 on success; 1 if the log has a problem (logs over 256 MB are not checked); 2 for a usage error.`,
    )
    .action(async (logs: string[], options: SegmentsOptions & SelectionOptions) => {
      const { segments } = await import('../run/segments.ts')
      process.exitCode = await withSelection(logs, options, (selection) => segments(selection, options), {
        anyPath: true,
        manyFiles: true,
      })
    })
}
