/**
 * Stops a log at every moment of a workload, by a kill and by every outcome of a power cut that is tried, and compares
 * what is recovered with the history. A disk image that was met before is not recovered again, since its result is
 * known. What is tried with an image depends only on the image. So a workload that is explored alone meets every image
 * that it met, or skipped as known, after other workloads.
 */
import { createHash } from 'node:crypto'
import { Random } from '@sq/sim'
import { InMemoryFileSystem } from '@sq/sim/memory'
import type { CrashImage, FailedSyncModel, Operation } from '@sq/sim/memory'
import { History, ValueTable } from '../history.ts'
import type { Contents } from '../history.ts'
import { LogUnderTest } from '../log/log-under-test.ts'
import { RecycledFiles } from '../log/recycled-files.ts'
import { PlainFileSystem } from '../plain-file-system.ts'
import { untilReadOnly } from '../read-only.ts'
import { choicesAt, someChoicesAt } from './crash-choices.ts'
import type { Choices } from './crash-choices.ts'
import type { Step } from './workloads.ts'

/** For one in this many new images, the recovery itself is stopped at each of its operations. */
const RECOVERY_STOPPED_SHARE = 32
/** For one in this many new images, one more append follows and is stopped at each of its operations. */
const LIVED_ON_SHARE = 64
/** One in this many new images is also read before recovery. Recovery must not change what a reader sees. */
const READ_BEFORE_SHARE = 4
/** The seed of the log whose bytes are in recycled files. */
const EARLIER_SEED = 2
/** The length of a value that moves all later frames, so that different bytes are under each. */
const SHIFTING_BYTES = 77
/** The number of power cuts that can follow each other. */
const MAX_DEPTH = 3

const CHANGING: ReadonlySet<Operation> = new Set([
  'create',
  'write',
  'sync',
  'truncate',
  'mkdir',
  'unlink',
  'rmdir',
  'link',
  'rename',
  'syncDirectory',
  'lock',
])

/** A disk image, the contents that it may recover to, and its origin. */
interface Suspect {
  readonly digest: number
  /** Null if its recovery is known by the time that it is checked. Thousands of images need not be kept until then. */
  readonly image: CrashImage | null
  readonly possible: readonly Contents[]
  /** Whether a recovery of it has given these contents once, and was interrupted. */
  readonly repeated?: boolean
  readonly origin: () => string
}

/**
 * The files that segments are written to: new ones, or files that held the segments of the same workload before, with
 * the same records at the same positions, or at other positions.
 */
export type Files = (typeof FILES)[number]
export const FILES = ['new', 'same', 'shifted'] as const

/** The result of a workload. */
export interface Explored {
  /** The number of moments at which it was stopped. */
  readonly moments: number
  /** The number of images. */
  readonly images: number
  /** The number of kills that were recovered from. */
  readonly kills: number
  /** The digests of the images that were new, and were recovered. */
  readonly digests: readonly number[]
}

export class Explorer {
  #moments = 0
  #images = 0
  #kills = 0
  /** The digests of the images met in the current workload. */
  #met: number[] = []
  /** What each image recovers to, by digest. */
  readonly #known = new Map<number, Contents>()
  /** The smallest depth at which the recovery of an image was stopped, by digest. A greater depth would try less. */
  readonly #stoppedAt = new Map<number, number>()
  readonly #values = new ValueTable()
  /** One reused file system per depth of power cuts: creating one costs more than recovering a log. */
  readonly #disks: InMemoryFileSystem[] = []

  /**
   * Runs a workload and stops it everywhere in its last step. Earlier steps are the last ones of other workloads.
   */
  async explore(
    workload: readonly Step[],
    { failedSync, files = 'new' }: { failedSync: FailedSyncModel; files?: Files },
  ): Promise<Explored> {
    this.#moments = 0
    this.#images = 0
    this.#kills = 0
    this.#met = []
    const random = new Random(seedOf(workload, failedSync))
    const recycled =
      files === 'new' ? undefined : new RecycledFiles(await this.#leftBy(workload, { failedSync, files }))
    const settings = recycled === undefined ? {} : { recycled }
    const log = new LogUnderTest(new InMemoryFileSystem({ failedSync }), { values: this.#values, ...settings })
    await log.open()
    for (const [serial, step] of workload.entries()) {
      await untilReadOnly(log, async () => step.prepare?.(log, serial))
      const run = () => untilReadOnly(log, () => perform(step, log, serial))
      if (serial === workload.length - 1) await this.#stopEverywhere(log, run, { random, recycled })
      else await run()
    }
    return { moments: this.#moments, images: this.#images, kills: this.#kills, digests: this.#met }
  }

  /** The bytes of the segments that a workload creates, in another log. */
  async #leftBy(
    workload: readonly Step[],
    { failedSync, files }: { failedSync: FailedSyncModel; files: Files },
  ): Promise<readonly Buffer[]> {
    const recycled = new RecycledFiles()
    const settings = { values: this.#values, seed: EARLIER_SEED, recycled }
    const log = new LogUnderTest(new InMemoryFileSystem({ failedSync }), settings)
    await log.open()
    if (files === 'shifted') await log.append(Buffer.alloc(SHIFTING_BYTES))
    for (const [serial, step] of workload.entries()) {
      await untilReadOnly(log, async () => step.prepare?.(log, serial))
      await untilReadOnly(log, () => perform(step, log, serial))
    }
    await untilReadOnly(log, () => log.close())
    return recycled.written
  }

  async #stopEverywhere(
    log: LogUnderTest,
    run: () => Promise<unknown>,
    { random, recycled }: { random: Random; recycled: RecycledFiles | undefined },
  ): Promise<void> {
    const suspects: Suspect[] = []
    const met = new Set<number>()
    const checks: (() => Promise<void>)[] = []
    await this.#atEveryMoment(log, run, (moment) => {
      if (recycled?.isPreparing === true) return
      suspects.push(...this.#cutPower(log, { moment, choices: choicesAt, random, met }))
      const killed = log.fs.clone()
      const possible = log.history.possible()
      checks.push(() => named(`killed at the ${moment}`, () => this.#checkKilled(killed, possible)))
    })
    await this.#checkAll(suspects, 0)
    for (const check of checks) await check()
  }

  /**
   * Runs an action, and calls back whenever the disk has changed or a caller has got a result: before and after each
   * I/O operation, and at the end.
   */
  async #atEveryMoment(
    log: LogUnderTest,
    run: () => Promise<unknown>,
    callback: (moment: string) => void,
  ): Promise<void> {
    let changed = true
    let version = -1
    const look = (moment: string): void => {
      if (!changed && version === log.history.version) return
      changed = false
      version = log.history.version
      this.#moments++
      callback(moment)
    }
    const stop = log.fs.operations.observe(({ operation, phase, path }) => {
      changed ||= phase === 'end' && CHANGING.has(operation)
      look(`${phase} of ${operation} ${path}`)
    })
    try {
      await run()
    } finally {
      stop()
    }
    look('end')
  }

  /** The outcomes of a power cut at this moment. `met`: the digests of the images that the caller has already. */
  *#cutPower(
    log: LogUnderTest,
    { moment, choices, random, met }: { moment: string; choices: Choices; random: Random; met: Set<number> },
  ): Generator<Suspect> {
    const state = log.fs.crashState()
    const possible = log.history.possible()
    for (const choice of choices(state, random)) {
      const origin = (): string => `power cut at the ${moment}: ${JSON.stringify(choice)}`
      const image = state.image(choice)
      const digest = shortDigest(image)
      const isNeeded = digest % RECOVERY_STOPPED_SHARE === 0 || !(this.#known.has(digest) || met.has(digest))
      if (isNeeded) met.add(digest)
      yield { digest, image: isNeeded ? image : null, possible, origin }
    }
  }

  async #cutPowerWhile(log: LogUnderTest, random: Random, run: () => Promise<unknown>): Promise<Suspect[]> {
    const suspects: Suspect[] = []
    const met = new Set<number>()
    await this.#atEveryMoment(log, run, (moment) => {
      suspects.push(...this.#cutPower(log, { moment, choices: someChoicesAt, random, met }))
    })
    return suspects
  }

  async #checkAll(suspects: readonly Suspect[], depth: number): Promise<void> {
    for (const suspect of suspects) {
      this.#images++
      await named(suspect.origin, () => this.#check(suspect, depth))
    }
  }

  async #check({ digest, image, possible, repeated = false }: Suspect, depth: number): Promise<void> {
    const history = new History()
    history.allow(possible, { repeated })
    const known = this.#known.get(digest)
    const isStopped = digest % RECOVERY_STOPPED_SHARE === 0 && depth < (this.#stoppedAt.get(digest) ?? MAX_DEPTH)
    if (known !== undefined && !isStopped) return history.recovered(known)
    if (image === null) throw new Error('an image was dropped that has not been recovered')

    if (known === undefined) this.#met.push(digest)
    if (isStopped) this.#stoppedAt.set(digest, depth)
    const settings = { values: this.#values, history, seed: digest }
    const readsBefore = digest % READ_BEFORE_SHARE === 0
    if (!isStopped) {
      const log = new LogUnderTest(new PlainFileSystem(image), settings)
      this.#known.set(digest, await log.open({ readsBefore }))
      return
    }
    const fs = (this.#disks[depth] ??= new InMemoryFileSystem())
    fs.crash(image)
    const log = new LogUnderTest(fs, settings)
    let contents: Contents = []
    const recover = async (): Promise<void> => {
      contents = await log.open({ readsBefore })
    }
    const random = new Random(digest)
    const suspects = await this.#cutPowerWhile(log, random, recover)
    this.#known.set(digest, contents)
    const again = suspects.map((suspect) => ({ ...suspect, possible: [contents], repeated: true }))
    await this.#checkAll(again, depth + 1)
    if (digest % LIVED_ON_SHARE !== 0) return
    const livedOn = await this.#cutPowerWhile(log, random, () => log.append(Buffer.alloc(10, 'lived on')))
    await this.#checkAll(livedOn, depth + 1)
    await log.close()
  }

  /** After a kill: what was written is visible, but can still be lost until recovery has made it durable. */
  async #checkKilled(fs: InMemoryFileSystem, possible: readonly Contents[]): Promise<void> {
    this.#kills++
    const history = new History()
    history.allow(possible)
    const log = new LogUnderTest(fs, { values: this.#values, history, seed: this.#kills })
    const random = new Random(this.#kills)
    await this.#checkAll(await this.#cutPowerWhile(log, random, () => untilReadOnly(log, () => log.open())), 1)
    await this.#checkAll(await this.#cutPowerWhile(log, random, () => log.append(Buffer.alloc(10, 'lived on'))), 1)
    await log.close()
  }
}

/** Runs an action, and adds its origin to the message of a failure. */
async function named(where: string | (() => string), check: () => Promise<void>): Promise<void> {
  try {
    await check()
  } catch (cause) {
    const what = cause instanceof Error ? cause.message : String(cause)
    throw new Error(`${what}\n  ${typeof where === 'string' ? where : where()}`, { cause })
  }
}

/** 48 bits of an image's digest. */
function shortDigest(image: CrashImage): number {
  return Buffer.from(image.digest(), 'base64').readUIntBE(0, 6)
}

/** A different seed for each workload. */
function seedOf(workload: readonly Step[], failedSync: FailedSyncModel): number {
  const names = [failedSync, ...workload.map(({ name }) => name)]
  return createHash('sha256').update(names.join()).digest().readUIntBE(0, 6)
}

/** Runs a step. A failure that it has planned ends with it: a disk that is read-only may not get that far. */
async function perform(step: Step, log: LogUnderTest, serial: number): Promise<void> {
  try {
    await step.run(log, serial)
  } finally {
    log.fs.faults.clear()
  }
}
