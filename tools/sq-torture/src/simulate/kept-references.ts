/**
 * Keeps what weak references lead to, and never finalizes. The state that the readers of a log share is forgotten when
 * memory is collected, and what was forgotten is read again; the file of a dropped reader is closed then. Without this,
 * two runs of a seed could differ.
 */
const Weak = globalThis.WeakRef
const registry: { register: FinalizationRegistry<unknown>['register'] } = FinalizationRegistry.prototype
const { register } = registry

/**
 * Runs an action. No target of a weak reference that is made meanwhile is collected before the action has ended, and
 * what is registered for finalization meanwhile never is finalized. A registry would keep what it closes: a reader that
 * waits for a process that is dead, and with that all files of its machine.
 */
export async function keepingReferences<T>(action: () => Promise<T>): Promise<T> {
  const kept: WeakKey[] = []
  globalThis.WeakRef = class<Target extends WeakKey> extends Weak<Target> {
    constructor(target: Target) {
      super(target)
      kept.push(target)
    }
  }
  registry.register = () => {}
  try {
    return await action()
  } finally {
    globalThis.WeakRef = Weak
    registry.register = register
    // The weak references themselves may live on, and with them their class, which holds this list.
    kept.length = 0
  }
}
