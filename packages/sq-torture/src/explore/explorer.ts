/**
 * Cuts the power before and after every I/O operation of a workload, in every way that is tried, and recovers what is
 * left. An image of the disk that was met before is not recovered again: what it recovers to is known.
 */
import { Random } from '@sq/sim'
import { InMemoryFileSystem } from '@sq/sim/memory'
import type { CrashChoice, CrashImage, CrashState, FailedSyncModel, Operation } from '@sq/sim/memory'
import { choicesAt, someChoicesAt } from './crash-choices.ts'
import { History, ValueTable, Violation } from '../history.ts'
import type { Contents } from '../history.ts'
import { LogUnderTest } from '../log-under-test.ts'
import type { Step } from './workloads.ts'

/** One in so many new images has its recovery cut off, at each of its operations. */
const CUT_OFF_SHARE = 4
/** One in so many new images is lived on in: one more append, cut off in its turn. */
const LIVED_ON_SHARE = 16
/** How many of the choices are tried at each moment of a recovery that is cut off. */
const NESTED_CHOICES = 6
/** How often a power cut may follow a power cut. */
const MAX_DEPTH = 3

const CHANGING: ReadonlySet<Operation> = new Set([
  'create',
  'write',
  'sync',
  'truncate',
  'mkdir',
  'unlink',
  'rename',
  'syncDirectory',
  'lock',
])

/** An image, and the contents it may recover to. */
interface Suspect {
  readonly image: CrashImage
  readonly possible: readonly Contents[]
  /** How it came about: the operation it was cut off in, and the choice. */
  readonly origin: () => string
}

/** What came of a workload. */
export interface Explored {
  /** Moments at which the power was cut. */
  readonly moments: number
  /** Images that were looked at. */
  readonly images: number
  /** Digests of those never met before, which were recovered. */
  readonly digests: readonly number[]
}

export class Explorer {
  #moments = 0
  #images = 0
  /** Digests of the images met since the exploration of a workload began. */
  #met: number[] = []
  /** What each image recovers to, by its digest. */
  readonly #known = new Map<number, Contents>()
  readonly #values = new ValueTable()
  readonly #random = new Random(0)
  /** A file system for each depth of power cuts, used again and again: making one costs more than recovering a log. */
  readonly #disks: InMemoryFileSystem[] = []

  /** Runs a workload, and explores the crashes in its last operation: those before are another workload's last. */
  async explore(sequence: readonly Step[], failedSync: FailedSyncModel): Promise<Explored> {
    this.#moments = 0
    this.#images = 0
    this.#met = []
    const log = new LogUnderTest(new InMemoryFileSystem({ failedSync }), { values: this.#values })
    await log.open()
    for (const [serial, step] of sequence.entries()) {
      const isLast = serial === sequence.length - 1
      const run = () => step.run(log, serial)
      if (isLast) await this.#checkAll(await this.#cutOff(log, run, (state) => choicesAt(state, this.#random)), 0)
      else await run()
    }
    return { moments: this.#moments, images: this.#images, digests: this.#met }
  }

  /** Runs something, and collects what the power cuts before and after each of its I/O operations leave. */
  async #cutOff(
    log: LogUnderTest,
    run: () => Promise<unknown>,
    choices: (state: CrashState) => Iterable<CrashChoice>,
  ): Promise<Suspect[]> {
    const suspects: Suspect[] = []
    let changed = true
    let version = -1
    const stop = log.fs.operations.observe(({ operation, phase, path }) => {
      // The disk is as it was before, unless this operation has just changed it, or a caller was told something since.
      changed ||= phase === 'end' && CHANGING.has(operation)
      if (!changed && version === log.history.version) return
      changed = false
      version = log.history.version
      this.#moments++
      const state = log.fs.crashState()
      const possible = log.history.possible()
      for (const choice of choices(state)) {
        const origin = () => `${phase} of ${operation} ${path}, ${JSON.stringify(choice)}`
        suspects.push({ image: state.image(choice), possible, origin })
      }
    })
    try {
      await run()
    } finally {
      stop()
    }
    return suspects
  }

  async #checkAll(suspects: readonly Suspect[], depth: number): Promise<void> {
    for (const suspect of suspects) {
      this.#images++
      try {
        await this.#check(suspect, depth)
      } catch (error) {
        throw new Violation(`${error instanceof Error ? error.message : String(error)}\n  cut off at the ${suspect.origin()}`, {
          cause: error,
        })
      }
    }
  }

  async #check({ image, possible }: Suspect, depth: number): Promise<void> {
    const digest = shortDigest(image)
    const known = this.#known.get(digest)
    const history = new History()
    if (known !== undefined) {
      history.allow(possible)
      history.recovered(known)
      return
    }
    this.#met.push(digest)
    const fs = (this.#disks[depth] ??= new InMemoryFileSystem())
    fs.crash(image)
    const log = new LogUnderTest(fs, { values: this.#values, history, seed: digest })
    history.allow(possible)
    let contents: Contents = []
    const recover = async () => {
      contents = await log.open()
    }
    if (depth === MAX_DEPTH || digest % CUT_OFF_SHARE !== 0) {
      await recover()
      this.#known.set(digest, contents)
      return
    }
    const some = (state: CrashState) => someChoicesAt(state, this.#random, NESTED_CHOICES)
    const again = await this.#cutOff(log, recover, some)
    this.#known.set(digest, contents)
    // Recovery cut off anywhere, and repeated, must give the same.
    await this.#checkAll(again.map((suspect) => ({ ...suspect, possible: [contents] })), depth + 1)
    if (digest % LIVED_ON_SHARE !== 0) return
    await this.#checkAll(await this.#cutOff(log, () => log.append(Buffer.alloc(10, 'lived on')), some), depth + 1)
    await log.close()
  }
}

/** 48 bits of an image's digest. */
function shortDigest(image: CrashImage): number {
  return Buffer.from(image.digest(), 'base64').readUIntBE(0, 6)
}
