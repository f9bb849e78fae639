#!/usr/bin/env node
/**
 * The command `sq-wal`: parses the command line and turns failures into one line and an exit status. What a subcommand
 * does is loaded only when it runs, so that `--help` and `--version` answer at once.
 */
import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { addAppendCommand } from './commands/append.ts'
import { addBenchCommand } from './commands/bench.ts'
import { addCatCommand } from './commands/cat.ts'
import { addDemoCommand } from './commands/demo.ts'
import { addDumpCommand } from './commands/dump.ts'
import { addLsCommand } from './commands/ls.ts'
import { addRepairCommand } from './commands/repair.ts'
import { addRetainCommand } from './commands/retain.ts'
import { addSegmentsCommand } from './commands/segments.ts'
import { addTailCommand } from './commands/tail.ts'
import { addTruncateCommand } from './commands/truncate.ts'
import { addVerifyCommand } from './commands/verify.ts'
import { CommandError } from './command-error.ts'
import { isError } from './message-of.ts'
import { outputFailure, visible } from './output.ts'
import { UsageError } from './usage-error.ts'

const exitStatus = { failed: 1, misused: 2 }

const ADVICE: ReadonlyMap<unknown, string> = new Map([
  ['SQ_WAL_NOT_FOUND', '"sq-wal ls" lists the logs that are there; --data-dir or $SQ_WAL_DIR says where'],
  ['SQ_WAL_CORRUPT', '"sq-wal verify" tells everything that is wrong with a log'],
  ['SQ_WAL_LOCKED', 'a log has one writer: stop that one first, or only look'],
])

const program = new Command('sq-wal')
  .description('Works with SQ write-ahead logs.')
  .version(ownVersion())
  .configureOutput({ outputError: (text, write) => write(oneLine(text)) })
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : exitStatus.misused))

const commands = [
  addLsCommand,
  addSegmentsCommand,
  addCatCommand,
  addTailCommand,
  addDumpCommand,
  addAppendCommand,
  addVerifyCommand,
  addRepairCommand,
  addRetainCommand,
  addTruncateCommand,
  addBenchCommand,
  addDemoCommand,
]
for (const add of commands) add(program)

try {
  await program.parseAsync()
} catch (error) {
  if (!isExpected(error)) throw error
  process.stderr.write(`sq-wal: ${visible(error.message)}${adviceOn(error)}\n`)
  process.exitCode = statusOf(error)
}
const unwritten = outputFailure()
if (unwritten !== null) {
  process.stderr.write(`sq-wal: cannot write the output: ${unwritten.message}\n`)
  process.exitCode = exitStatus.failed
}

function statusOf(error: Error): number {
  if (error instanceof CommandError) return error.exitStatus
  return error instanceof UsageError ? exitStatus.misused : exitStatus.failed
}

/** What the parser says of a mistake, with its suggestion, if it has one. */
function oneLine(text: string): string {
  const lines = text.replace(/^error: /, 'sq-wal: ').trimEnd().split('\n')
  return text.startsWith('error: ') ? `${lines.join(' ')}\n` : text
}

/** Failures of the log and of the system carry a code and explain themselves; anything else is a bug in here. */
function isExpected(error: unknown): error is Error {
  return error instanceof UsageError || (isError(error) && 'code' in error && typeof error.code === 'string')
}

/** What to do next, where that is not plain from the failure. */
function adviceOn(error: Error): string {
  const told = isError(error.cause) ? error.cause : error
  const advice = 'code' in told ? ADVICE.get(told.code) : undefined
  return advice === undefined ? '' : ` (${advice})`
}

function ownVersion(): string {
  const manifest: { version: string } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  return manifest.version
}
