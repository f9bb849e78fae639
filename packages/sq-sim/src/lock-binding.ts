/** The native binding for locks of the kernel, and the errors that explain why it is unavailable. */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { findPackage } from './required-package.ts'
import { codeOf, isError, messageOf, systemError } from './system-error.ts'

/** Takes the lock on an open file; false if it is held already. Throws the error of the system. */
export type TryLock = (descriptor: number) => boolean

interface Binding {
  readonly tryLock: TryLock
}

const BINDING = 'fs-native-extensions'

const RUNTIMES_IT_ENDS = ['Deno', 'Bun']

const GO_ON_UNLOCKED =
  'To continue without locks, pass new NodeFileSystem({ unlocked: true }), ' +
  'and see to it yourself that no two writers work on the same directory.'

const INSTALL = `${BINDING} is not in a bundle: install it where the bundle runs, in a node_modules folder next to it or above it.`

const INSTALL_WHOLE = `Install ${BINDING} whole where this program runs: its folder prebuilds, and what it depends on.`

const ALLOW_ADDONS = 'Start Node without --no-addons, or with --allow-addons where it has --permission.'

/**
 * Loaded when first needed, because the binding is native and not available on every platform. Throws `ENOLOCK` or the
 * error of the system.
 */
export function loadTryLock(path: string): TryLock {
  // They lack functions of libuv that the binding calls: Deno when the binding is loaded, Bun when another process
  // holds the lock.
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

/** The error of `FileSystem.lock` if locks are unavailable. */
export function noLockError(path: string, cause: unknown, advice: string = GO_ON_UNLOCKED): Error {
  const message = `ENOLOCK: cannot lock '${path}': ${reasonOf(cause)}. ${advice}`
  return Object.assign(new Error(message, { cause }), { code: 'ENOLOCK', path })
}

/**
 * The error of the system for reading or loading a file, such as `EMFILE`. It says nothing about whether a binding
 * exists.
 */
function systemFailure(error: unknown, path: string): unknown {
  for (const one of [error, causeOf(error)]) {
    if (isError(one) && 'syscall' in one) return one
    if (/too many open files/i.test(messageOf(one))) {
      return Object.assign(systemError('EMFILE', { syscall: 'dlopen', path }), { cause: error })
    }
  }
  return null
}

/** Only a platform without a binding is a reason to continue without locks. */
function adviceOn(error: unknown, installed: string | null): string {
  if (installed === null) return INSTALL
  if (codeOf(causeOf(error)) === 'ERR_DLOPEN_DISABLED') return ALLOW_ADDONS
  const isPartial = codeOf(error) === 'MODULE_NOT_FOUND' || !existsSync(join(dirname(installed), 'prebuilds'))
  return isPartial ? INSTALL_WHOLE : GO_ON_UNLOCKED
}

/**
 * The first line of the message of an error, and of its cause. The remaining lines list where modules were searched.
 */
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
