import { withShownPaths } from './shown-path.ts'

/** The message of an error in one line. Works for anything that is thrown, also without a message. */
export function messageOf(error: unknown): string {
  const message = isError(error) ? error.message : String(error)
  return withShownPaths(message.trim().replaceAll(/\s*[\r\n]+\s*/g, ' '))
}

/** Whether something has the shape of an error. `instanceof` fails for errors from another realm. */
export function isError(error: unknown): error is Error {
  return typeof error === 'object' && error !== null && 'message' in error && typeof error.message === 'string'
}
