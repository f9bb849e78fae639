/** `sq-wal serve`: its options and its help. */
import { InvalidArgumentError, Option } from 'commander'
import type { Command } from 'commander'
import { addDataDirOption } from '../log-name.ts'
import { addArchiveOption, withSource } from '../log-source.ts'
import type { SourceOptions } from '../log-source.ts'
import type { ListenAddress, ServeOptions } from '../serve/serve.ts'

export function addServeCommand(program: Command): void {
  addArchiveOption(addDataDirOption(program.command('serve')))
    .summary('show the logs of a data directory in a browser, live')
    .description(
      'Serves a page with the logs of a data directory: their sizes and rates, their records, new records as they ' +
        'come, and the pictures of "sq-wal report". It only reads, and can run while a broker is writing.',
    )
    .addOption(
      new Option('--listen <address>', 'where to listen, HOST:PORT; port 0 is any free one')
        .argParser(parseListen)
        .default({ host: '127.0.0.1', port: 0 }, '127.0.0.1:0'),
    )
    .addHelpText(
      'after',
      `
Examples:
  sq-wal serve -d /var/lib/broker
  sq-wal serve -d /var/lib/broker --listen 127.0.0.1:8080
  sq-wal serve --store s3://backup/main

Prints the address of the page. The address has a token: those who have it can read every record. Ctrl-C ends it.

Exit status: 0 after a signal; 1 if the directory cannot be read or the address cannot be used; 2 for a usage error.`,
    )
    .action(async (options: ServeOptions & SourceOptions) => {
      const { serve } = await import('../serve/serve.ts')
      process.exitCode = await withSource(options, (source) => serve(source, options))
    })
}

function parseListen(text: string): ListenAddress {
  const [, host, digits] = /^(?:\[?([^\]]+?)\]?:)?(\d{1,5})$/.exec(text) ?? []
  const port = Number(digits)
  if (digits === undefined || port > 65_535) {
    throw new InvalidArgumentError('Expected HOST:PORT, such as 127.0.0.1:8080 or [::1]:0.')
  }
  return { host: host ?? '127.0.0.1', port }
}
