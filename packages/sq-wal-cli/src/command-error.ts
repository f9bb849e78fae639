/** The command failed. The message becomes one line on stderr, and the process ends with this exit status. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly code = 'SQ_WAL_CLI'
  readonly exitStatus: number

  constructor(message: string, { exitStatus = 1, cause }: { exitStatus?: number; cause?: unknown } = {}) {
    super(message, { cause })
    this.exitStatus = exitStatus
  }
}
