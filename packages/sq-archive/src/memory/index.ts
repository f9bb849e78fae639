/** An object store in memory with faults, for tests. */
export { StoreFaults } from './faults.ts'
export { InMemoryObjectStore } from './in-memory-object-store.ts'
export type {
  ActiveStoreRule,
  ShortRead,
  StoreBitFlip,
  StoreErrorFault,
  StoreFault,
  StoreFaultRule,
  StoreFaultTime,
  StoreHold,
  StoreOperation,
} from './faults.ts'
export type { InMemoryObjectStoreOptions } from './in-memory-object-store.ts'
