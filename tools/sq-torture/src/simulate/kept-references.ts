/**
 * Keeps what weak references lead to. The state that the readers of a log share is forgotten when memory is collected,
 * and what was forgotten is read again: without this, two runs of a seed could differ in their reads.
 */
const Weak = globalThis.WeakRef

/** Runs an action. No target of a weak reference that is made meanwhile is collected before the action has ended. */
export async function keepingReferences<T>(action: () => Promise<T>): Promise<T> {
  const kept: WeakKey[] = []
  globalThis.WeakRef = class<Target extends WeakKey> extends Weak<Target> {
    constructor(target: Target) {
      super(target)
      kept.push(target)
    }
  }
  try {
    return await action()
  } finally {
    globalThis.WeakRef = Weak
    // The weak references themselves may live on, and with them their class, which holds this list.
    kept.length = 0
  }
}
