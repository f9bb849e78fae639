/** Reads the few options of the commands here. What they do not know they refuse. */
import { parseArgs } from 'node:util'

/** Wrong use of a command: told in one line, exit status 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** The options given, each named here with its default; numbers where the default is one. */
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

/** Refuses zeros: where nothing is tried, nothing is shown. */
export function mustBePositive(options: Record<string, number>): void {
  for (const [name, value] of Object.entries(options)) {
    if (value < 1) throw new UsageError(`--${name} takes a whole number from 1, not ${value}`)
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
  if (!/^\d{1,15}$/.test(text)) throw new UsageError(`--${name} takes a whole number, not ${JSON.stringify(text)}`)
  return Number(text)
}

/** Runs a command: its violations and misuse end the process with a message and a status. */
export async function main(command: () => Promise<void>): Promise<void> {
  try {
    await command()
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = error instanceof UsageError ? 2 : 1
  }
}
