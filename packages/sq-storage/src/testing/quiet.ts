/** What tests know about promises that are still pending, without a clock. */
import { setImmediate } from 'node:timers/promises'

/** Waits until nothing is left to run. */
export async function quiet(): Promise<void> {
  for (let turn = 0; turn < 200; turn++) await setImmediate()
}

/** A promise, and whether it has settled yet. */
export function watched<T>(promise: Promise<T>): { readonly promise: Promise<T>; isSettled: boolean } {
  const state = { promise, isSettled: false }
  const settled = (): void => {
    state.isSettled = true
  }
  promise.then(settled, settled)
  return state
}
