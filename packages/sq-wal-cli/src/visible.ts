/** Makes text from outside harmless to a terminal. */

/** Control characters (C0, DEL, C1), line separators, those that turn the direction of writing, and lone surrogates. */
const UNSAFE = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\p{Bidi_Control}]/gu

/** Most texts: looked at much faster. */
const PLAIN = /^[ -~]*$/

const SHORT: Readonly<Record<string, string>> = { '\n': String.raw`\n`, '\r': String.raw`\r`, '\t': String.raw`\t` }

/**
 * The text with everything that a terminal may act upon as an escape of JSON: `\n`, `\r`, `\t`, `\u001b`. A JSON text
 * without line breaks stays valid JSON of the same meaning.
 */
export function visible(text: string): string {
  if (PLAIN.test(text)) return text
  return text.replaceAll(
    UNSAFE,
    (letter) => SHORT[letter] ?? `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
