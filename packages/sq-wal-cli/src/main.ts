#!/usr/bin/env node
/**
 * The command `sq-wal`: parses the command line, and reports a failure as one line and an exit status. The code of a
 * subcommand is loaded only when it runs, so that `--help` and `--version` start fast.
 */
import { readFileSync } from 'node:fs'
import { Command, CommanderError, Option } from 'commander'
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
import { addCompletionCommand, addManCommand } from './commands/completion.ts'
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
import { addWordsCommand } from './commands/words.ts'
import { CommandError } from './command-error.ts'
import { isError, messageOf } from './message-of.ts'
import { flushed, outputFailure, printCrash, printNotice, printTimesIn, useColors } from './output.ts'
import type { ColorMode } from './output.ts'
import { UsageError } from './usage-error.ts'
import { resolveTimes } from './written-time.ts'

const exitStatus = { failed: 1, misused: 2 }

const ADVICE: ReadonlyMap<unknown, string> = new Map([
  ['SQ_WAL_NOT_FOUND', '"sq-wal ls" lists the logs; set the data directory with --data-dir or $SQ_WAL_DIR'],
  ['SQ_WAL_CORRUPT', '"sq-wal verify" reports every problem of a log'],
  ['SQ_WAL_CLOCK_SUSPECT', '--trust-clock uses the clock anyway'],
  ['SQ_WAL_LOCKED', 'a log has one writer: stop the other one first'],
])

/** What other tools call these commands. */
const OTHER_NAMES: ReadonlyMap<string, string> = new Map([
  ...['list', 'topics', 'info', 'stat', 'status', 'describe'].map((name) => [name, 'see ls and segments'] as const),
  ...['show', 'read', 'print', 'consume', 'head', 'less'].map((name) => [name, 'see cat and tail'] as const),
  ...['follow', 'watch'].map((name) => [name, 'see tail --follow'] as const),
  ...['put', 'write', 'produce', 'add', 'import'].map((name) => [name, 'see append'] as const),
  ...['check', 'fsck', 'scrub', 'test'].map((name) => [name, 'see verify'] as const),
  ...['fix', 'recover'].map((name) => [name, 'see repair and salvage'] as const),
  ...['rm', 'delete', 'del', 'prune', 'trim', 'compact', 'gc'].map(
    (name) => [name, 'see retain and truncate'] as const,
  ),
  ...['copy', 'mv', 'move', 'export', 'clone'].map((name) => [name, 'see cp and backup'] as const),
  ...['compare', 'cmp'].map((name) => [name, 'see diff'] as const),
  ...['glossary', 'terms'].map((name) => [name, 'see words'] as const),
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

const groups: Readonly<Record<string, readonly ((program: Command) => void)[]>> = {
  'Looking at logs:': [
    addLsCommand,
    addSegmentsCommand,
    addCatCommand,
    addTailCommand,
    addGetCommand,
    addDiffCommand,
    addDumpCommand,
    addReportCommand,
    addServeCommand,
  ],
  'Appending:': [addAppendCommand],
  'Damage:': [addVerifyCommand, addRepairCommand, addSalvageCommand],
  'Copies:': [addCpCommand, addBackupCommand, addRestoreCommand, addArchiveCommand],
  'Deleting records:': [addRetainCommand, addTruncateCommand],
  'Measuring and trying out:': [addBenchCommand, addDemoCommand],
  'Help:': [addWordsCommand, addCompletionCommand, addManCommand],
}
for (const [heading, commands] of Object.entries(groups)) {
  program.commandsGroup(heading)
  for (const add of commands) add(program)
}
program.addHelpCommand(
  new Command('help').argument('[command]', 'the command').summary('show the help of a command').helpGroup('Help:'),
)
program.addHelpText(
  'after',
  `
Examples:
  sq-wal ls /var/lib/broker                              the logs of a broker
  sq-wal tail -f orders/0 -d /var/lib/broker             the last records of a log, and new ones
  sq-wal verify --all -d /var/lib/broker                 every byte of every log

A log is TOPIC/PARTITION in a data directory: -d DIR, or $SQ_WAL_DIR, or the working directory. "sq-wal help COMMAND"
has the options and examples of a command.`,
)
addColorOption(program)
program.hook('preAction', (_program, command) => {
  useColors(command.opts<{ color: ColorMode }>().color)
  printTimesIn(resolveTimes(command))
})

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

/** Adds the option to every command that does something. */
function addColorOption(command: Command): void {
  for (const each of command.commands) addColorOption(each)
  if (command.commands.length > 0) return
  command.addOption(
    new Option('--color <when>', 'whether to use colours').choices(['auto', 'always', 'never']).default('auto'),
  )
}

function statusOf(error: Error): number {
  if (error instanceof CommandError) return error.exitStatus
  return error instanceof UsageError ? exitStatus.misused : exitStatus.failed
}

/** Prints the parser's message in one line, including its suggestion. */
function printUsageError(text: string, write: (text: string) => void): void {
  if (!text.startsWith('error: ')) {
    write(text)
    return
  }
  const message = text
    .slice('error: '.length)
    .trimEnd()
    .replace(/\n(?=\(Did you mean [^\n]*$)/, ' ')
  const [unknown = '', name = ''] = /^unknown command '(.*?)'/.exec(message) ?? []
  const advice = OTHER_NAMES.get(name)
  printNotice(advice === undefined ? message : `${unknown} (${advice})`)
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
