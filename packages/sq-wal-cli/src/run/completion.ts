/** Completion for shells, from the commands and their options. */
import type { Command } from 'commander'
import { printLines } from '../output.ts'

/** What can follow the name of a command. */
interface Completed {
  /** The name with that of the command above it: `archive push`; empty for the program. */
  readonly path: string
  readonly words: readonly Word[]
}

interface Word {
  readonly word: string
  readonly about: string
}

/** Prints the script of a shell. */
export async function printCompletion(program: Command, shell: 'bash' | 'zsh' | 'fish'): Promise<void> {
  const all = completedIn(program, '')
  const script = { bash: bashScript, zsh: zshScript, fish: fishScript }[shell](all)
  await printLines(
    script
      .trimEnd()
      .split('\n')
      .map((line) => [line]),
  )
}

function completedIn(command: Command, path: string): Completed[] {
  const names = command.commands.map((each) => ({ word: each.name(), about: each.summary() }))
  const options = command.options.map(({ long, short, description }) => {
    return { word: long ?? short ?? '', about: description }
  })
  const below = command.commands.flatMap((each) => completedIn(each, `${path} ${each.name()}`.trim()))
  return [{ path, words: [...names, ...options, { word: '--help', about: 'show the help' }] }, ...below]
}

/** The patterns of `PATH WORD` where the word is a command. */
function steps(all: readonly Completed[]): string {
  const paths = all.map(({ path }) => path).filter((path) => path !== '')
  return paths.map((path) => (path.includes(' ') ? `"${path}"` : `" ${path}"`)).join('|')
}

function bashScript(all: readonly Completed[]): string {
  const cases = all.map(({ path, words }) => `    "${path}") words="${words.map(({ word }) => word).join(' ')}" ;;`)
  return `_sq_wal() {
  local name="" words="" word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$name $word" in
      ${steps(all)}) name="\${name:+$name }$word" ;;
    esac
  done
  case "$name" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o bashdefault -o default -F _sq_wal sq-wal
`
}

function zshScript(all: readonly Completed[]): string {
  const cases = all.map(({ path, words }) => {
    const described = words.map(({ word, about }) => inQuotes(`${word}:${about.replaceAll(':', String.raw`\:`)}`))
    return `    "${path}") found=(${described.join(' ')}) ;;`
  })
  return `#compdef sq-wal
_sq_wal() {
  local name="" word
  local -a found
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "$name $word" in
      (${steps(all)}) name="\${name:+$name }$word" ;;
    esac
  done
  case "$name" in
${cases.map((each) => each.replace('    "', '    ("')).join('\n')}
  esac
  _describe sq-wal found
  _files
}
_sq_wal "$@"
`
}

function fishScript(all: readonly Completed[]): string {
  const lines = all.flatMap(({ path, words }) => {
    const conditions = path.split(' ').map((name) => `__fish_seen_subcommand_from ${name}`)
    const when = path === '' ? '__fish_use_subcommand' : conditions.join('; and ')
    return words.map(({ word, about }) => {
      const what = word.startsWith('--') ? `-l ${word.slice(2)}` : `-a ${word}`
      return `complete -c sq-wal -n ${inQuotes(when)} ${what} -d ${inQuotes(about)}`
    })
  })
  return `${lines.join('\n')}\n`
}

/** In single quotes, as all three shells read them. */
function inQuotes(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`
}
