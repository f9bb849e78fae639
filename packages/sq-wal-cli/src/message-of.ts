import { withShownPaths } from './shown-path.ts'

/** What an error says, in one line; anything can be thrown, and not everything that is has a message. */
export function messageOf(error: unknown): string {
  const message = isError(error) ? error.message : String(error)
  return withShownPaths(message.trim().replaceAll(/\s*[\r\n]+\s*/g, ' '))
}

/** Whether something is an error, by what it has: it may come from another realm than this code runs in. */
export function isError(error: unknown): error is Error {
  return typeof error === 'object' && error !== null && 'message' in error && typeof error.message === 'string'
}
