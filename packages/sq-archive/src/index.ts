/** Ended segments of a log in an object store. */
export { DirectoryObjectStore } from './directory-object-store.ts'
export { FileSource, sourceOf } from './object-source.ts'
export { hadNoEffect, ObjectStoreError } from './object-store.ts'
export type { ListOptions, ObjectInfo, ObjectSource, ObjectStore, ObjectStoreErrorCode } from './object-store.ts'
export { ObjectStoreFileSystem } from './object-store-file-system.ts'
export type { ObjectStoreFileSystemOptions } from './object-store-file-system.ts'
export { TieredReader } from './tiered/tiered-reader.ts'
export type { TieredBounds, TieredReaderOptions } from './tiered/tiered-reader.ts'
