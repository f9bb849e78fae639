/** Asks the server of the live page. */

/** Rejects with what the server says is wrong. */
export async function ask<T>(
  what: string,
  parameters: Readonly<Record<string, string | number | null>> = {},
  signal?: AbortSignal,
): Promise<T> {
  const given = Object.entries(parameters).flatMap(([name, value]): [string, string][] => {
    return value === null || value === '' ? [] : [[name, String(value)]]
  })
  const response = await fetch(`api/${what}?${new URLSearchParams(given)}`, signal === undefined ? {} : { signal })
  const body = await response.json()
  if (!response.ok) throw new Error(body.error)
  return body
}

/** Resolves after a time, or when the signal is aborted. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}
