/** The command could not do, or found, what it was asked to: told in one line on stderr, with exit status 1. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly code = 'SQ_WAL_CLI'
}
