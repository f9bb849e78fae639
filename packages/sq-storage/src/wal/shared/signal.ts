/** The `AbortSignal` of a caller. It may be of another realm (jsdom, `vm`), or of an old implementation. */

/** Whether a value is an abort signal. One of another realm is not an instance of ours. */
export function isSignal(value: unknown): value is AbortSignal {
  if (typeof value !== 'object' || value === null) return false
  const { aborted, addEventListener, removeEventListener } = value as Partial<AbortSignal>
  return (
    typeof aborted === 'boolean' && typeof addEventListener === 'function' && typeof removeEventListener === 'function'
  )
}

/** The reason of a signal that is aborted. Old implementations of signals have none. */
export function reasonOf({ reason }: AbortSignal): unknown {
  return reason === undefined ? new DOMException('This operation was aborted', 'AbortError') : reason
}
