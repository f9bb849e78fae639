/**
 * The functions of `node:fs` on descriptors as promises, with errors that name the path. The callback functions cost a
 * third of the promises of `node:fs`: 10 instead of 27 microseconds per write.
 */
import * as fs from 'node:fs'
import { isError, named } from './system-error.ts'

/** `mode` applies if this creates the file, minus the umask. */
export function openDescriptor(path: string, flags: number, mode: number = 0o666): Promise<number> {
  return settle(path, (done) => fs.open(path, flags, mode, done))
}

export async function closeDescriptor(descriptor: number, path: string): Promise<void> {
  await settleVoid(path, (done) => fs.close(descriptor, done))
}

export async function fsyncDescriptor(descriptor: number, path: string): Promise<void> {
  await settleVoid(path, (done) => fs.fsync(descriptor, done))
}

export function descriptorStat(descriptor: number, path: string): Promise<fs.Stats> {
  return settle(path, (done) => fs.fstat(descriptor, done))
}

export async function descriptorIdentity(descriptor: number, path: string): Promise<string> {
  return identityOf(await settle(path, (done) => fs.fstat(descriptor, { bigint: true }, done)))
}

export function identityOf({ dev, ino }: fs.BigIntStats): string {
  return `${dev}:${ino}`
}

export function settle<T>(path: string, call: (done: (error: Error | null, value: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    call((error, value) => {
      if (error) reject(withPath(error, path))
      else resolve(value)
    })
  })
}

export function settleVoid(path: string, call: (done: (error: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    call((error) => {
      if (error) reject(withPath(error, path))
      else resolve()
    })
  })
}

/** Node leaves the path out of errors on descriptors. The file may have another name now. */
export function withPath<E>(unnamed: E, path: string): E {
  const error = named(unnamed)
  if (isError(error) && !('path' in error)) {
    error.message += ` (opened as '${path}')`
    Object.assign(error, { path })
  }
  return error
}

export function rethrow(error: unknown): never {
  throw named(error)
}
