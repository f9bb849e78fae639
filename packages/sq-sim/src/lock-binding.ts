/** The native binding that takes locks of the kernel, and the errors that say why it cannot be had. */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { findPackage } from './required-package.ts'
import { codeOf, isError, messageOf, systemError } from './system-error.ts'

/** Takes the lock on an open file, or returns false where another has it. Throws what the system says. */
export type TryLock = (descriptor: number) => boolean

interface Binding {
  readonly tryLock: TryLock
}

const BINDING = 'fs-native-extensions'

const RUNTIMES_IT_ENDS = ['Deno', 'Bun']

const GO_ON_UNLOCKED =
  'To go on without, pass new NodeFileSystem({ unlocked: true }), ' +
  'and see to it yourself that no two writers work on the same directory.'

const INSTALL = `${BINDING} is not in a bundle: install it where the bundle runs, in a folder node_modules beside or above it.`

const INSTALL_WHOLE = `Install ${BINDING} whole where this program runs: its folder prebuilds, and what it depends on.`

const ALLOW_ADDONS = 'Start Node without --no-addons, or with --allow-addons where it has --permission.'

/** Loaded when first needed: the binding is native, and not every platform has it. Throws `ENOLOCK`, or what the system says. */
export function loadTryLock(path: string): TryLock {
  // They lack functions of libuv that the binding calls: Deno when it is loaded, Bun when another has the lock.
  const ending = RUNTIMES_IT_ENDS.find((name) => name.toLowerCase() in process.versions)
  if (ending !== undefined) {
    throw noLockError(path, new Error(`the native binding would end ${ending}`), 'Run this program with Node.')
  }
  let installed: string | null = null
  try {
    const found = findPackage(BINDING)
    installed = found.path
    const binding = found.load()
    if (isBinding(binding)) return binding.tryLock
    throw new Error(`${found.path} exports no function tryLock`)
  } catch (error) {
    throw systemFailure(error, path) ?? noLockError(path, error, adviceOn(error, installed))
  }
}

/** What `FileSystem.lock` rejects with where no lock is to be had. */
export function noLockError(path: string, cause: unknown, advice: string = GO_ON_UNLOCKED): Error {
  const message = `ENOLOCK: no lock is to be had on '${path}': ${reasonOf(cause)}. ${advice}`
  return Object.assign(new Error(message, { cause }), { code: 'ENOLOCK', path })
}

/** What the system says of reading or loading a file, such as `EMFILE`: no word about whether there is a binding. */
function systemFailure(error: unknown, path: string): unknown {
  for (const one of [error, causeOf(error)]) {
    if (isError(one) && 'syscall' in one) return one
    if (/too many open files/i.test(messageOf(one))) {
      return Object.assign(systemError('EMFILE', { syscall: 'dlopen', path }), { cause: error })
    }
  }
  return null
}

/** Only a platform for which there is no binding is a reason to go on without locks. */
function adviceOn(error: unknown, installed: string | null): string {
  if (installed === null) return INSTALL
  if (codeOf(causeOf(error)) === 'ERR_DLOPEN_DISABLED') return ALLOW_ADDONS
  const isPartial = codeOf(error) === 'MODULE_NOT_FOUND' || !existsSync(join(dirname(installed), 'prebuilds'))
  return isPartial ? INSTALL_WHOLE : GO_ON_UNLOCKED
}

/** The first line of what an error says, and of what its cause says: where modules were looked for are many more. */
function reasonOf(error: unknown): string {
  const cause = causeOf(error)
  const texts = [error, ...(cause === undefined ? [] : [cause])].map((one) => messageOf(one).split('\n')[0] ?? '')
  return texts.join(': ').replace(/\.$/, '')
}

function causeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'cause' in error ? error.cause : undefined
}

function isBinding(exported: unknown): exported is Binding {
  return (
    typeof exported === 'object' && exported !== null && 'tryLock' in exported && typeof exported.tryLock === 'function'
  )
}
