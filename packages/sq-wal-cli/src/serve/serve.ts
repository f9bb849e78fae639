/** Serves the live page until it is interrupted. */
import { once } from 'node:events'
import { CommandError } from '../command-error.ts'
import { catchInterruption } from '../interruption.ts'
import type { LogSource } from '../log-source.ts'
import { messageOf } from '../message-of.ts'
import { printLine, printNotice } from '../output.ts'
import { listLogs } from '../run/list-logs.ts'
import { liveServer } from './server.ts'

export interface ListenAddress {
  readonly host: string
  readonly port: number
}

export interface ServeOptions {
  readonly listen: ListenAddress
}

/** Resolves with the exit status: 0, also after a signal. */
export async function serve(source: LogSource, { listen: { host, port } }: ServeOptions): Promise<number> {
  await listLogs(source)
  const { server, path } = liveServer(source)
  using interruption = catchInterruption()
  server.listen(port, host)
  try {
    await once(server, 'listening')
  } catch (error) {
    throw new CommandError(`cannot listen on ${host}:${port}: ${messageOf(error)}`)
  }
  const address = server.address()
  const actual = typeof address === 'object' && address !== null ? address.port : port
  if (!isLoopback(host)) printNotice(`other machines can reach ${host}: what they send and get is not encrypted`)
  await printLine(`http://${host.includes(':') ? `[${host}]` : host}:${actual}${path}`)
  if (!interruption.signal.aborted) await once(interruption.signal, 'abort')
  const closed = once(server, 'close')
  server.close()
  server.closeAllConnections()
  await closed
  return 0
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.')
}
