/** The demo could not go on, or found what it must never find: told in one line on stderr, with exit status 1. */
export class DemoError extends Error {
  override readonly name = 'DemoError'
  readonly code = 'SQ_DEMO'
}
