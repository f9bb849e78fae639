/** The command was asked for something it cannot do: told in one line on stderr, with exit status 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}
