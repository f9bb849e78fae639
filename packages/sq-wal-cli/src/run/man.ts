/** Manual pages, from the help of the commands. */
import type { Command } from 'commander'
import { printLines } from '../output.ts'
import { UsageError } from '../usage-error.ts'

/** Prints the page of the program, or of a command. Rejects with a `UsageError` if there is none of this name. */
export async function printMan(program: Command, names: readonly string[]): Promise<void> {
  let command = program
  for (const name of names) {
    const found = command.commands.find((each) => each.name() === name)
    if (found === undefined) throw new UsageError(`there is no command ${JSON.stringify(names.join(' '))}`)
    command = found
  }
  const name = [program.name(), ...names].join(' ')
  const page = manPage(command, { name, version: program.version() ?? '' })
  await printLines(
    page
      .trimEnd()
      .split('\n')
      .map((line) => [line]),
  )
}

function manPage(command: Command, { name, version }: { readonly name: string; readonly version: string }): string {
  const help = command.createHelp()
  const summary = command.summary() === '' ? command.description() : command.summary()
  const usage = help.commandUsage(command).replace(/^.*?(?=\[|<|$)/, '')
  const options = help
    .visibleOptions(command)
    .flatMap(({ flags, description }) => ['.TP', bold(flags), escaped(description)])
  const commands = help.visibleCommands(command).flatMap((each) => ['.TP', bold(each.name()), escaped(each.summary())])
  return [
    `.TH ${name.replaceAll(' ', '-').toUpperCase()} 1 "" "sq-wal ${version}"`,
    '.SH NAME',
    `${escaped(name.replaceAll(' ', '-'))} \\- ${escaped(summary)}`,
    '.SH SYNOPSIS',
    `${bold(name)} ${escaped(usage)}`,
    '.SH DESCRIPTION',
    escaped(command.description()),
    ...(commands.length === 0 ? [] : ['.SH COMMANDS', ...commands]),
    '.SH OPTIONS',
    ...options,
    '.SH NOTES',
    '.nf',
    escaped(textAfterOptions(command)),
    '.fi',
    '',
  ].join('\n')
}

/** The examples and explanations that the help ends with. */
function textAfterOptions(command: Command): string {
  let text = ''
  command.configureOutput({ writeOut: (part) => (text += part) })
  command.outputHelp()
  const end = /\n\s+-h, --help[^\n]*\n(?:\s{20,}[^\n]*\n)*/.exec(text)
  return end === null ? '' : text.slice(end.index + end[0].length).trim()
}

function bold(text: string): string {
  return `\\fB${escaped(text)}\\fR`
}

/** A line that begins with a dot or a quote would be a request. */
function escaped(text: string): string {
  return text.replaceAll('\\', '\\e').replaceAll('-', '\\-').replaceAll(/^[.']/gm, '\\&$&')
}
