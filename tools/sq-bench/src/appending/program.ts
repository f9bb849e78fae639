/** Runs a separate program that takes a measurement. The figures do not include its start. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Measurement } from './results.ts'

const execute = promisify(execFile)
const FIGURES = ['valuesPerSecond', 'bytesPerSecond', 'p50', 'p99', 'p999'] as const

/** The sources of the programs list the arguments. Rejects with the output of a program that fails. */
export async function runProgram(program: string, given: readonly (string | number)[]): Promise<Measurement> {
  const { stdout } = await execute(program, given.map(String))
  const printed = new Map<string, unknown>(Object.entries(JSON.parse(stdout)))
  const [valuesPerSecond = 0, bytesPerSecond = 0, p50 = 0, p99 = 0, p999 = 0] = FIGURES.map((name) => {
    const figure = printed.get(name)
    if (typeof figure !== 'number') throw new Error(`${program} prints no ${name}: ${stdout}`)
    return figure
  })
  return { valuesPerSecond, bytesPerSecond, p50, p99, p999, loopDelayP99: null }
}
