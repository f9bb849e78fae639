/** Runs the subject under strace, which traces its system calls on the files of a log and makes some of them fail. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { cleanEnvironment } from '../clean-environment.ts'
import { Violation } from '../history.ts'
import { PARTITION, TOPIC } from '../log/log-under-test.ts'
import type { SubjectFound, SubjectTask } from './subject-task.ts'

const STRACE = 'strace'
const SUBJECT = fileURLToPath(new URL('./subject.js', import.meta.url))
/** Larger than the offset of any record of the subject. */
const MAX_RECORDS = 60
/** More than the size of any commit of the subject. */
const MAX_SHOWN_BYTES = 4_000_000
/** Longer than the subject's own time limit. */
const PATIENCE_MS = 60_000

/** A failure of one or more calls. */
export interface Injection {
  /** The call, or a pattern of names, in strace's notation. */
  readonly calls: string
  readonly error: string
  /** The number of the call on the files of the log; with `+` after it, this call and all later ones. */
  readonly when: string
}

export interface Straced {
  readonly found: SubjectFound
  /** The calls as strace prints them, line by line. */
  readonly trace: readonly string[]
  /** The number of calls that were made to fail. */
  readonly injected: number
}

/** Why strace cannot be used here, or null. */
export async function whyNoStrace(): Promise<string | null> {
  try {
    const never = new AbortController().signal
    const { status, stderr } = await run(['-o', '/dev/null', process.execPath, '--version'], never)
    return status === 0 ? null : stderr
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** Runs the subject with a failing call. Rejects with a `Violation` if the subject itself fails. */
export function straceFailing(task: SubjectTask, injection: Injection, signal: AbortSignal): Promise<Straced> {
  const { calls, error, when } = injection
  const paths = pathsOf(task.dataDir).flatMap((path) => ['-P', path])
  const inject = `inject=${calls}:error=${error}:when=${when}`
  return straceSubject(task, [...paths, '-e', `trace=${calls}`, '-e', inject], signal)
}

/** Runs the subject and traces all calls of these names. Bytes are printed in full, as `\xNN` unless all are ASCII. */
export function straceWatching(task: SubjectTask, calls: readonly string[], signal: AbortSignal): Promise<Straced> {
  return straceSubject(task, ['-x', '-s', String(MAX_SHOWN_BYTES), '-e', `trace=${calls.join()}`], signal)
}

async function straceSubject(task: SubjectTask, options: readonly string[], signal: AbortSignal): Promise<Straced> {
  const file = `${task.dataDir}.trace`
  const command = [process.execPath, SUBJECT, JSON.stringify(task)]
  const args = ['-f', '-y', '--seccomp-bpf', '-o', file, ...options, ...command]
  const { status, endedBy, stdout, stderr } = await run(args, signal)
  const end = endedBy ?? `status ${status}`
  if (status !== 0) throw new Violation(`12: the process ended with ${end}: ${stderr}`)
  const trace = (await readFile(file, 'utf8')).split('\n')
  await rm(file)
  const found: SubjectFound = JSON.parse(stdout.trim().split('\n').at(-1) ?? '')
  return { found, trace, injected: trace.filter((line) => line.endsWith('(INJECTED)')).length }
}

interface Ended {
  readonly status: number | null
  /** The signal that ended it, if one did. */
  readonly endedBy: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** Resolves when strace and its child have exited. strace passes signals on. */
async function run(args: readonly string[], signal: AbortSignal): Promise<Ended> {
  signal.throwIfAborted()
  const child = spawn(STRACE, args, {
    // strace counts per thread. With one thread for files, the count is that of all calls.
    env: cleanEnvironment({ UV_THREADPOOL_SIZE: '1' }),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const end = (): void => void child.kill('SIGTERM')
  const patience = setTimeout(end, PATIENCE_MS)
  signal.addEventListener('abort', end)
  try {
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
    signal.throwIfAborted()
    return { status: child.exitCode, endedBy: child.signalCode, stdout, stderr: stderr.trim() }
  } finally {
    clearTimeout(patience)
    signal.removeEventListener('abort', end)
  }
}

/** Every path that a log of few records can touch. */
function pathsOf(dataDir: string): string[] {
  const directory = join(dataDir, TOPIC, String(PARTITION))
  const segments = Array.from({ length: MAX_RECORDS }, (_, offset) => `${String(offset).padStart(20, '0')}.wal`)
  const files = ['lock', 'next.tmp', ...segments].map((name) => join(directory, name))
  return [dirname(dataDir), dataDir, dirname(directory), directory, ...files]
}
