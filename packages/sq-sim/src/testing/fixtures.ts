/** Helper functions of the conformance tests. */
import assert from 'node:assert/strict'
import type { FileHandle, FileSystem, OpenMode } from '../file-system.ts'

/** The file system and the directory of a test. */
export interface FileSystemUnderTest {
  readonly fs: FileSystem
  /** An empty, durable directory for this test alone. */
  readonly directory: string
}

/** A file system whose power can be cut: only what was made durable is left, and every handle is dead. */
export interface CrashableFileSystem extends FileSystemUnderTest {
  /** Cuts the power. Resolves once `fs` has started again with what was durable. */
  readonly cutPower: () => void | Promise<void>
}

/** A test: a fact in the present tense, and a function that rejects if it does not hold. */
export interface FileSystemTest<Under = FileSystemUnderTest> {
  readonly name: string
  /** Rejects if the fact does not hold. */
  readonly run: (under: Under) => Promise<void>
}

/** Opens a file, passes it to a function, and closes it in any case. */
export async function withFile<T>(
  fs: FileSystem,
  { path, mode }: { readonly path: string; readonly mode: OpenMode },
  use: (file: FileHandle) => Promise<T>,
): Promise<T> {
  const file = await fs.open(path, mode)
  try {
    return await use(file)
  } finally {
    await file.close()
  }
}

/** Creates a file with a text. */
export async function put(fs: FileSystem, path: string, text: string): Promise<void> {
  await withFile(fs, { path, mode: 'create' }, (file) => file.write([bytesOf(text)], 0))
}

/** The content of a file as a text of one byte per character. */
export function content(fs: FileSystem, path: string): Promise<string> {
  return withFile(fs, { path, mode: 'read' }, textOf)
}

/** The content of an open file. */
export async function textOf(file: FileHandle): Promise<string> {
  const buffer = new Uint8Array(await file.size())
  assert.equal(await file.read(buffer, 0), buffer.byteLength)
  return Buffer.from(buffer).toString('latin1')
}

export function bytesOf(text: string): Uint8Array {
  return Buffer.from(text, 'latin1')
}

/** Resolves if the promise rejects with this code. */
export async function rejectsWith(code: string, promise: Promise<unknown>): Promise<void> {
  await assert.rejects(promise, { code })
}
