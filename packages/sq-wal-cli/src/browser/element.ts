/** Makes elements. Text only becomes text nodes, and attributes are set one by one: nothing is parsed as HTML. */

type Child = Node | string | number | null

const SVG = 'http://www.w3.org/2000/svg'

export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Readonly<Record<string, string | number>> = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Name] {
  return filled(document.createElement(name), attributes, children)
}

export function svg<Name extends keyof SVGElementTagNameMap>(
  name: Name,
  attributes: Readonly<Record<string, string | number>> = {},
  ...children: readonly Child[]
): SVGElementTagNameMap[Name] {
  return filled(document.createElementNS(SVG, name), attributes, children)
}

function filled<T extends Element>(
  made: T,
  attributes: Readonly<Record<string, string | number>>,
  children: readonly Child[],
): T {
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value))
  for (const child of children) if (child !== null) made.append(typeof child === 'number' ? String(child) : child)
  return made
}
