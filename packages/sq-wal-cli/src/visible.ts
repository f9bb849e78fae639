/** Escapes text from outside, so that it cannot control a terminal. */

/**
 * Control characters (C0, DEL, C1), line separators, characters that change the text direction, and lone surrogates.
 */
const UNSAFE = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\p{Bidi_Control}]/gu

/** Most texts, which this test handles much faster. */
const PLAIN = /^[ -~]*$/

const SHORT: Readonly<Record<string, string>> = { '\n': String.raw`\n`, '\r': String.raw`\r`, '\t': String.raw`\t` }

/**
 * The text with every character that a terminal may act on as a JSON escape: `\n`, `\r`, `\t`, `\u001b`. A JSON text
 * without line breaks stays valid JSON with the same meaning.
 */
export function visible(text: string): string {
  if (PLAIN.test(text)) return text
  return text.replaceAll(
    UNSAFE,
    (letter) => SHORT[letter] ?? `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
