/** A table that scrolls by itself when the page is narrow. */
import { element } from './element.ts'

export function table(titles: readonly string[], rows: readonly (readonly (string | Node)[])[]): HTMLElement {
  const head = element('tr', {}, ...titles.map((title) => element('th', { scope: 'col' }, title)))
  const body = rows.map((row) => element('tr', {}, ...row.map((cell) => element('td', {}, cell))))
  const made = element('table', {}, element('thead', {}, head), element('tbody', {}, ...body))
  return element('div', { class: 'scrolling', tabindex: 0, role: 'region', 'aria-label': titles.join(', ') }, made)
}
