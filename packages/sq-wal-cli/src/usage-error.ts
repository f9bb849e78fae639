/** The command line is wrong. The message becomes one line on stderr, and the exit status is 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}
