/** `sq-wal dump`: its options and its help. */
import type { Command } from 'commander'
import type { DumpOptions } from '../run/dump.ts'

export function addDumpCommand(program: Command): void {
  program
    .command('dump')
    .summary('show what stands in a segment file, frame by frame')
    .description(
      'Shows every frame of a segment file with its position and its fields, and what does not verify, with the ' +
        'reason. The file may be a copy, or one that a repair quarantined. A symbolic link is not followed.',
    )
    .argument('<segment>', 'the path of a segment file')
    .option('--hex', 'show the bytes, too')
    .option('--json', 'write JSON, one object for each part of the file')
    .addHelpText(
      'after',
      `
Examples:
  sq-wal dump /var/lib/broker/orders/0/00000000000000000000.wal
  sq-wal dump copy.wal --hex | less

Exit status: 0 if all verifies, 1 if something does not, 2 on misuse. A torn end, which the next writer cuts off, does
not verify either; "sq-wal verify" tells such from damage.`,
    )
    .action(async (segment: string, options: DumpOptions) => {
      const { dump } = await import('../run/dump.ts')
      process.exitCode = await dump(segment, options)
    })
}
