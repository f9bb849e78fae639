#!/usr/bin/env node
/**
 * The command `sq-wal`: parses the command line, and reports a failure as one line and an exit status. The code of a
 * subcommand is loaded only when it runs, so that `--help` and `--version` start fast.
 */
import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { addAppendCommand } from './commands/append.ts'
import { addArchiveCommand } from './commands/archive.ts'
import { addBenchCommand } from './commands/bench.ts'
import { addCatCommand } from './commands/cat.ts'
import {
  addBackupCommand,
  addCpCommand,
  addDiffCommand,
  addGetCommand,
  addRestoreCommand,
  addSalvageCommand,
} from './commands/copies.ts'
import { addDemoCommand } from './commands/demo.ts'
import { addDumpCommand } from './commands/dump.ts'
import { addLsCommand } from './commands/ls.ts'
import { addRepairCommand } from './commands/repair.ts'
import { addReportCommand } from './commands/report.ts'
import { addRetainCommand } from './commands/retain.ts'
import { addSegmentsCommand } from './commands/segments.ts'
import { addServeCommand } from './commands/serve.ts'
import { addTailCommand } from './commands/tail.ts'
import { addTruncateCommand } from './commands/truncate.ts'
import { addVerifyCommand } from './commands/verify.ts'
import { CommandError } from './command-error.ts'
import { isError, messageOf } from './message-of.ts'
import { flushed, outputFailure, printCrash, printNotice, printTimesIn } from './output.ts'
import { UsageError } from './usage-error.ts'
import { resolveTimes } from './written-time.ts'

const exitStatus = { failed: 1, misused: 2 }

const ADVICE: ReadonlyMap<unknown, string> = new Map([
  ['SQ_WAL_NOT_FOUND', '"sq-wal ls" lists the logs; set the data directory with --data-dir or $SQ_WAL_DIR'],
  ['SQ_WAL_CORRUPT', '"sq-wal verify" reports every problem of a log'],
  ['SQ_WAL_CLOCK_SUSPECT', '--trust-clock uses the clock anyway'],
  ['SQ_WAL_LOCKED', 'a log has one writer: stop the other one first'],
])

process.on('uncaughtException', (error) => {
  printCrash(error)
  process.exit(exitStatus.failed)
})

const program = new Command('sq-wal')
  .description('Inspects, appends to, verifies, repairs and trims SQ write-ahead logs.')
  .version(ownVersion())
  .configureOutput({ outputError: printUsageError })
  .exitOverride()

const commands = [
  addLsCommand,
  addSegmentsCommand,
  addCatCommand,
  addTailCommand,
  addGetCommand,
  addDiffCommand,
  addDumpCommand,
  addAppendCommand,
  addVerifyCommand,
  addReportCommand,
  addServeCommand,
  addRepairCommand,
  addSalvageCommand,
  addCpCommand,
  addBackupCommand,
  addRestoreCommand,
  addRetainCommand,
  addTruncateCommand,
  addArchiveCommand,
  addBenchCommand,
  addDemoCommand,
]
for (const add of commands) add(program)
program.hook('preAction', (_program, command) => printTimesIn(resolveTimes(command)))

try {
  await program.parseAsync()
} catch (error) {
  if (error instanceof CommanderError) {
    // Commander has already printed the error or the help.
    process.exitCode = error.exitCode === 0 ? 0 : exitStatus.misused
  } else if (isExpected(error)) {
    printNotice(`${messageOf(error)}${adviceOn(error)}`)
    process.exitCode = statusOf(error)
  } else {
    printCrash(error)
    process.exitCode = exitStatus.failed
  }
}
await flushed()
const unwritten = outputFailure()
if (unwritten !== null) {
  printNotice(`cannot write the output: ${messageOf(unwritten)}`)
  process.exitCode = exitStatus.failed
}

function statusOf(error: Error): number {
  if (error instanceof CommandError) return error.exitStatus
  return error instanceof UsageError ? exitStatus.misused : exitStatus.failed
}

/** Prints the parser's message in one line, including its suggestion. */
function printUsageError(text: string, write: (text: string) => void): void {
  if (!text.startsWith('error: ')) write(text)
  else
    printNotice(
      text
        .slice('error: '.length)
        .trimEnd()
        .replace(/\n(?=\(Did you mean [^\n]*$)/, ' '),
    )
}

/** Errors of the log and of the system have a code. Anything else is a bug in this program. */
function isExpected(error: unknown): error is Error {
  return error instanceof UsageError || (isError(error) && 'code' in error && typeof error.code === 'string')
}

/** The next step, if the error does not already say it. */
function adviceOn(error: Error): string {
  const told = isError(error.cause) ? error.cause : error
  const advice = 'code' in told ? ADVICE.get(told.code) : undefined
  return advice === undefined ? '' : ` (${advice})`
}

function ownVersion(): string {
  const manifest: { version: string } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  return manifest.version
}
