/**
 * A test runner for Stryker. Stryker's own for vitest starts a thread for each mutant, which imports all sources and
 * test files again: many times as much work as the few tests that most mutants need. This one keeps the thread.
 */
import { on } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { basename, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createVitest } from 'vitest/node'
import type { Vitest } from 'vitest/node'
import { EQUIVALENT } from './equivalent.ts'
import { isListed } from './judgement.ts'
import { CHANNEL } from './orders.ts'
import type { Answer, MutantCoverage, Order } from './orders.ts'
import { changeAt, ORIGINALS } from './stryker.ts'
import type { Change, Place } from './stryker.ts'

interface ActiveMutant {
  readonly id: string
  readonly fileName: string
  readonly replacement: string
  /** From 0. */
  readonly location: { readonly start: Place; readonly end: Place }
}

/** The parts that are used of what Stryker gives to a test runner for a mutant. */
interface MutantRun {
  readonly activeMutant: ActiveMutant
  readonly mutantActivation: 'static' | 'runtime'
  readonly testFilter?: readonly string[]
  readonly hitLimit?: number
}

type MutantResult =
  | {
      readonly status: 'killed'
      readonly killedBy: string[]
      readonly failureMessage: string
      readonly nrOfTests: number
    }
  | { readonly status: 'survived'; readonly nrOfTests: number }
  | { readonly status: 'timeout' | 'error'; readonly reason?: string; readonly errorMessage?: string }

interface DryRunTest {
  readonly id: string
  readonly name: string
  readonly timeSpentMs: number
  /** 0 if it passed, 1 if it failed. */
  readonly status: 0 | 1
  readonly failureMessage?: string
}

type DryRunResult =
  | { readonly status: 'complete'; readonly tests: DryRunTest[]; readonly mutantCoverage: MutantCoverage | undefined }
  | { readonly status: 'error'; readonly errorMessage: string }

/** The mutant that the sources activate before any of them runs: for what they do once, when they are imported. */
const STATIC_MUTANT = '__STRYKER_ACTIVE_MUTANT__'

/** A file in which Stryker's processes share how long each test takes. */
const DURATIONS = 'test-durations.json'

class KeptTestsRunner {
  #thread: TestThread | null = null
  /** Whether the sources in the thread were imported with a mutant. */
  #importedWithMutant = false

  capabilities(): { reloadEnvironment: boolean } {
    return { reloadEnvironment: true }
  }

  async init(): Promise<void> {
    this.#thread = await TestThread.start()
  }

  async dryRun(): Promise<DryRunResult> {
    const thread = await this.#threadFor(null)
    if (thread.importError !== null) return { status: 'error', errorMessage: thread.importError }
    const { runs = [], coverage } = await thread.run({ mutant: null, hitLimit: undefined, tests: null })
    const tests = runs.map(({ id, error, durationMs }): DryRunTest => {
      const common = { id, name: id.slice(id.indexOf('#') + 1), timeSpentMs: durationMs }
      return error === null ? { ...common, status: 0 } : { ...common, status: 1, failureMessage: error }
    })
    const durations = runs.map(({ id, durationMs }): [string, number] => [id, durationMs])
    await writeFile(DURATIONS, JSON.stringify(durations))
    return { status: 'complete', tests, mutantCoverage: coverage }
  }

  async mutantRun(run: MutantRun): Promise<MutantResult> {
    const { activeMutant, mutantActivation, testFilter, hitLimit } = run
    // All its tests would run, to the end, and it would survive.
    if (isListed(await changeOf(activeMutant), EQUIVALENT)) return { status: 'survived', nrOfTests: 0 }
    const order = { mutant: activeMutant.id, hitLimit, tests: await testsOf(testFilter) }
    const thread = await this.#threadFor(mutantActivation === 'static' ? activeMutant.id : null)
    if (thread.importError !== null) return killed(['an import'], thread.importError)
    let answer = await thread.run(order)
    if (answer.errorWithout !== null && mutantActivation !== 'static') {
      // An earlier mutant may have left what lets the test fail. A new thread has nothing of it.
      await this.dispose()
      answer = await (await this.#threadFor(null)).run(order)
      if (answer.errorWithout !== null) await this.dispose()
    }
    const { runs = [], limitReached = false } = answer
    if (limitReached) return { status: 'timeout', reason: 'the mutant was executed too often' }
    const last = runs.at(-1)
    if (last === undefined || last.error === null) return { status: 'survived', nrOfTests: runs.length }
    return killed([last.id], last.error, runs.length)
  }

  async dispose(): Promise<void> {
    await this.#thread?.end()
    this.#thread = null
  }

  /** The thread, with sources that were imported with the given mutant, or with none. */
  async #threadFor(staticMutant: string | null): Promise<TestThread> {
    if (staticMutant !== null || this.#importedWithMutant) await this.dispose()
    this.#importedWithMutant = staticMutant !== null
    if (staticMutant !== null) process.env[STATIC_MUTANT] = staticMutant
    this.#thread ??= await TestThread.start()
    delete process.env[STATIC_MUTANT]
    return this.#thread
  }
}

async function changeOf({ fileName, replacement, location: { start, end } }: ActiveMutant): Promise<Change> {
  const file = relative(process.cwd(), fileName)
  const source = await readFile(join(ORIGINALS, file), 'utf8')
  return changeAt(source, { file, location: { start: fromOne(start), end: fromOne(end) }, replacement })
}

function fromOne({ line, column }: Place): Place {
  return { line: line + 1, column: column + 1 }
}

/** The tests of a mutant, the fastest first, with their times: they are known to the process that ran all tests. */
async function testsOf(filter: readonly string[] | undefined): Promise<{ id: string; durationMs: number }[]> {
  const durations: [string, number][] = JSON.parse(await readFile(DURATIONS, 'utf8'))
  const wanted = filter === undefined ? null : new Set(filter)
  return durations
    .filter(([id]) => wanted?.has(id) ?? true)
    .map(([id, durationMs]) => ({ id, durationMs }))
    .toSorted((a, b) => a.durationMs - b.durationMs)
}

function killed(killedBy: string[], failureMessage: string, nrOfTests = 1): MutantResult {
  return { status: 'killed', killedBy, failureMessage, nrOfTests }
}

/** A thread of vitest that has imported the test files and waits for orders. */
class TestThread {
  /** What failed while files were imported; null if nothing did. */
  importError: string | null = null
  readonly #vitest: Vitest
  readonly #channel = new BroadcastChannel(CHANNEL)
  readonly #answers: AsyncIterator<{ readonly data: Answer }[], unknown> = on(this.#channel, 'message')
  #done: Promise<unknown> = Promise.resolve()

  private constructor(vitest: Vitest) {
    this.#vitest = vitest
  }

  static async start(): Promise<TestThread> {
    const vitest = await createVitest('test', {
      config: 'vitest.mutants.config.ts',
      runner: fileURLToPath(new URL('kept-tests.js', import.meta.url)),
      pool: 'threads',
      maxWorkers: 1,
      watch: false,
      coverage: { enabled: false },
      reporters: [{}],
    })
    process.env['SQ_TEST_FILES'] = String((await vitest.globTestSpecifications()).length)
    const thread = new TestThread(vitest)
    const ready = thread.#nextAnswer()
    thread.#done = vitest.start()
    // It takes orders in the last test file; if that cannot be imported, it ends.
    const ended = thread.#done.then((): Answer => {
      const errors = vitest.state.getFiles().flatMap(({ result }) => result?.errors ?? [])
      return { importError: errors[0]?.message ?? 'the last test file has no test' }
    })
    thread.importError = (await Promise.race([ready, ended])).importError ?? null
    return thread
  }

  async run(order: Order): Promise<Answer> {
    this.#channel.postMessage(order)
    const ended = this.#done.then(() => {
      throw new Error('the thread of the tests ended before it had an answer')
    })
    return Promise.race([this.#nextAnswer(), ended])
  }

  async end(): Promise<void> {
    this.#channel.postMessage('end' satisfies Order)
    await this.#done
    this.#channel.close()
    await this.#vitest.close()
  }

  async #nextAnswer(): Promise<Answer> {
    const { done, value } = await this.#answers.next()
    const [answer] = done === true ? [] : value
    if (answer === undefined) throw new Error('the channel to the tests was closed')
    return answer.data
  }
}

interface TestedMutant {
  readonly status: string
  readonly fileName: string
  readonly replacement: string
  /** From 1. */
  readonly location: { readonly start: Place }
  readonly testsCompleted?: number
}

/** Writes each mutant that no test detects as soon as that is known: a run may take many minutes. */
class SurvivorsReporter {
  onMutantTested({ status, testsCompleted = 0, fileName, location: { start }, replacement }: TestedMutant): void {
    const isListedMutant = status === 'Survived' && testsCompleted === 0
    if (isListedMutant || !['Survived', 'NoCoverage'].includes(status)) return
    process.stderr.write(`not detected yet: ${basename(fileName)}:${start.line} + ${replacement}\n`)
  }
}

/** What Stryker looks for in a plugin. */
export const strykerPlugins: readonly unknown[] = [
  { kind: 'TestRunner', name: 'kept-tests', injectableClass: KeptTestsRunner },
  { kind: 'Reporter', name: 'survivors', injectableClass: SurvivorsReporter },
]
