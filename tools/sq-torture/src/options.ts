/** Parses the options of the commands in this package. Unknown options are errors. */
import { parseArgs } from 'node:util'

/** The command line is wrong. The message becomes one line on stderr, and the exit status is 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** Parses the options. `defaults` has the name and default of each; an option is a number if its default is one. */
export function readOptions<T extends Record<string, string | number>>(defaults: T): T {
  const options = Object.fromEntries(Object.keys(defaults).map((name) => [name, { type: 'string' as const }]))
  const given = parse(options)
  const entries = Object.entries(defaults).map(([name, fallback]) => {
    const text = given[name]
    if (typeof text !== 'string') return [name, fallback]
    return [name, typeof fallback === 'number' ? wholeNumber(name, text) : text]
  })
  return Object.assign({ ...defaults }, Object.fromEntries(entries))
}

/** Refuses 0: a run that tries nothing shows nothing. */
export function mustBePositive(options: Record<string, number>): void {
  for (const [name, value] of Object.entries(options)) {
    if (value < 1) throw new UsageError(`--${name} expects a whole number, 1 or more; found ${value}`)
  }
}

function parse(options: Record<string, { type: 'string' }>): Record<string, unknown> {
  try {
    return parseArgs({ options, args: process.argv.slice(2).filter((argument) => argument !== '--') }).values
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

function wholeNumber(name: string, text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new UsageError(`--${name} expects a whole number, found ${JSON.stringify(text)}`)
  return Number(text)
}

/** Runs a command. A violation or a usage error ends the process with a message and an exit status. */
export async function main(command: () => Promise<void>): Promise<void> {
  try {
    await command()
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = error instanceof UsageError ? 2 : 1
  }
}
