/** The command that shows the same as a view, to be copied. */
import { element } from './element.ts'

/** `words` is asked each time that the command is copied. */
export function copyCommand(words: () => readonly string[]): HTMLElement {
  const shown = element('code', { hidden: '' })
  const button = element('button', { type: 'button' }, 'Copy as command')
  button.addEventListener('click', () => {
    const command = ['sq-wal', ...words()].map(quoted).join(' ')
    shown.hidden = false
    shown.textContent = command
    void copied(command).then((told) => (button.textContent = told))
  })
  return element('span', { class: 'command' }, button, shown)
}

/** What to tell on the button: a browser may not allow it. */
async function copied(command: string): Promise<string> {
  try {
    await navigator.clipboard.writeText(command)
    return 'Copied'
  } catch {
    return 'Copy the command:'
  }
}

/** `-d DIR`, or `--store STORE`. */
export function placeOption(place: string): string[] {
  return place.startsWith('s3://') ? ['--store', place] : ['-d', place]
}

/** Quoted for a shell. */
function quoted(word: string): string {
  return /^[\w./@%+=:,-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`
}
