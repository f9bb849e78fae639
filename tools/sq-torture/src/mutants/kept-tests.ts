/**
 * Runs in a thread of vitest. It imports every test file once, and then runs tests with one mutant after the other:
 * a mutant is switched on by a global variable, so nothing has to be imported again.
 */
import { on } from 'node:events'
import { TestRunner, vi } from 'vitest'
import type { RunnerTask, RunnerTestCase, RunnerTestFile, RunnerTestSuite } from 'vitest'
import type { Answer, MutantCoverage, Order, TestRun } from './orders.ts'
import { CHANNEL } from './orders.ts'

/** What the instrumented sources read and write. */
interface StrykerGlobal {
  activeMutant?: string | undefined
  currentTestId?: string | undefined
  hitCount?: number | undefined
  hitLimit?: number | undefined
  mutantCoverage?: MutantCoverage
}

/** A test, and what it calls at its end: vitest does not publish the type. */
interface RunningTest extends RunnerTestCase {
  onFinished?: ((context: unknown) => unknown)[] | undefined
}

const STRYKER_GLOBAL = '__stryker__'

/**
 * A test with a mutant has this much time, and 20 times as long as without: more than it needs on a busy machine, and
 * far less than the limit of vitest, which a mutant that lets a test wait for ever would use up.
 */
const LEAST_TIME_LIMIT_MS = 10_000
const TIME_LIMIT_FACTOR = 20

export default class KeptTests extends TestRunner {
  readonly #tests = new Map<string, RunnerTestCase>()
  /** The tests that detected a mutant, the last one first: one often detects the next mutant, too. */
  #detectors: string[] = []
  #importError: string | null = null
  /** An error that no test has caught since this was last set to null. */
  #uncaught: string | null = null
  #filesLeft = Number(process.env['SQ_TEST_FILES'])
  /** The test that vitest runs: the last one. In its place, all others run as ordered. */
  #current: RunningTest | undefined

  /** Keeps the tests of a file, and lets vitest skip them, up to the last one of all. */
  onBeforeRunFiles(files: RunnerTestFile[]): void {
    for (const file of files) {
      this.#importError ??= file.result?.errors?.[0]?.message ?? null
      this.#keep(file)
      this.#filesLeft--
    }
    const last = [...this.#tests.values()].at(-1)
    if (this.#filesLeft === 0 && last !== undefined) last.mode = 'run'
  }

  /** Vitest calls this for the last test. */
  async runTask(test: RunningTest): Promise<void> {
    this.#current = test
    await this.#takeOrders()
  }

  #keep(task: RunnerTask): void {
    if (task.type === 'suite') for (const child of task.tasks) this.#keep(child)
    if (task.type !== 'test' || task.mode === 'skip' || task.mode === 'todo') return
    const name = `${task.file.filepath}#${task.fullTestName}`
    // The same in each thread, in whatever order it imports the files.
    let id = name
    for (let nth = 2; this.#tests.has(id); nth++) id = `${name} (${nth})`
    this.#tests.set(id, task)
    task.mode = 'skip'
  }

  /** Runs tests as the other side of the channel demands, until that ends. */
  async #takeOrders(): Promise<void> {
    const note = (error: unknown) => {
      this.#uncaught = messageOf(error)
    }
    process.on('uncaughtException', note)
    process.on('unhandledRejection', note)
    const channel = new BroadcastChannel(CHANNEL)
    const orders: AsyncIterable<{ readonly data: Order }[]> = on(channel, 'message')
    channel.postMessage({ importError: this.#importError } satisfies Answer)
    for await (const [order] of orders) {
      if (order === undefined || order.data === 'end') break
      channel.postMessage(await this.#run(order.data))
    }
    channel.close()
  }

  async #run({ mutant, hitLimit, tests }: Exclude<Order, 'end'>): Promise<Answer> {
    const stryker = strykerGlobal()
    const runs: TestRun[] = []
    const wanted = tests ?? Array.from(this.#tests.keys(), (id) => ({ id, durationMs: Infinity }))
    for (const { id, durationMs: withoutMs } of this.#detectorsFirst(wanted)) {
      stryker.activeMutant = mutant ?? undefined
      stryker.hitCount = 0
      stryker.hitLimit = hitLimit
      // What goes on after the test counts for it, too, until the next one begins.
      stryker.currentTestId = id
      const limitMs = LEAST_TIME_LIMIT_MS + TIME_LIMIT_FACTOR * withoutMs
      const { error, durationMs } = await this.#runTest(id, limitMs)
      const limitReached = hitLimit !== undefined && stryker.hitCount > hitLimit
      stryker.activeMutant = undefined
      runs.push({ id, error, durationMs })
      if (mutant === null || (error === null && !limitReached)) continue
      this.#detectors = [id, ...this.#detectors.filter((other) => other !== id)]
      // Only the mutant can be the reason if the test passes without it now.
      const { error: errorWithout } = await this.#runTest(id, limitMs)
      return { runs, limitReached, errorWithout }
    }
    if (mutant === null) return { runs, coverage: stryker.mutantCoverage }
    return { runs, limitReached: false, errorWithout: null }
  }

  #detectorsFirst<T extends { readonly id: string }>(tests: readonly T[]): T[] {
    const ranks = new Map(this.#detectors.map((id, rank) => [id, rank]))
    return tests.toSorted((a, b) => (ranks.get(a.id) ?? ranks.size) - (ranks.get(b.id) ?? ranks.size))
  }

  async #runTest(id: string, limitMs: number): Promise<{ error: string | null; durationMs: number }> {
    const test = this.#tests.get(id)
    if (test === undefined) throw new Error(`there is no test ${JSON.stringify(id)}`)
    this.#uncaught = null
    const startMs = performance.now()
    const error = await withinLimit(this.#runWithHooks(test), limitMs)
    const durationMs = performance.now() - startMs
    // A rejection counts as unhandled only in the next turn of the event loop.
    await new Promise((resolve) => setImmediate(resolve))
    vi.restoreAllMocks()
    return { error: error ?? this.#uncaught, durationMs }
  }

  /** Returns the message of the first error; null if there is none. */
  async #runWithHooks(test: RunnerTestCase): Promise<string | null> {
    const suites = suitesOf(test)
    const cleanUps: (() => unknown)[] = []
    const errors: string[] = []
    const attempt = async (action: () => unknown): Promise<void> => {
      try {
        await action()
      } catch (error) {
        errors.push(messageOf(error))
      }
    }
    await attempt(async () => {
      for (const suite of suites) {
        for (const hook of TestRunner.getSuiteHooks(suite).beforeEach) {
          const cleanUp: unknown = await hook(test.context, suite)
          if (typeof cleanUp === 'function') cleanUps.unshift(() => cleanUp())
        }
      }
      await TestRunner.getTestFn(test)()
    })
    for (const suite of suites.toReversed()) {
      for (const hook of TestRunner.getSuiteHooks(suite).afterEach.toReversed()) {
        await attempt(() => hook(test.context, suite))
      }
    }
    for (const cleanUp of cleanUps) await attempt(cleanUp)
    for (const hook of this.#current?.onFinished?.toReversed() ?? []) await attempt(() => hook(test.context))
    if (this.#current !== undefined) this.#current.onFinished = undefined
    return errors[0] ?? null
  }
}

function strykerGlobal(): StrykerGlobal {
  const found: StrykerGlobal | undefined = Reflect.get(globalThis, STRYKER_GLOBAL)
  if (found !== undefined) return found
  const made: StrykerGlobal = {}
  Reflect.set(globalThis, STRYKER_GLOBAL, made)
  return made
}

/** The suites of a test, from its file inwards. */
function suitesOf(test: RunnerTestCase): RunnerTestSuite[] {
  const suites: RunnerTestSuite[] = []
  for (let suite = test.suite; suite !== undefined; suite = suite.suite) suites.unshift(suite)
  if (suites[0] !== test.file) suites.unshift(test.file)
  return suites
}

async function withinLimit(run: Promise<string | null>, limitMs: number): Promise<string | null> {
  if (limitMs === Infinity) return run
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(`the test did not end within ${Math.round(limitMs)} ms`), limitMs)
  })
  return Promise.race([run, limit]).finally(() => clearTimeout(timer))
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
