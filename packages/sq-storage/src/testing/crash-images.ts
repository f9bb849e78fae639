/** The images that power cuts may leave of a file system over some time, each once. */
import { InMemoryFileSystem } from '@sq/sim/memory'
import type { CrashImage, Operation } from '@sq/sim/memory'
import { LogFixture } from './log-fixture.ts'

/** They do not change the disk, so the images that a power cut may leave stay the same. */
const LOOKING: ReadonlySet<Operation> = new Set(['open', 'read', 'size', 'close', 'readdir', 'stat', 'space', 'watch'])

export class CrashImages {
  /** By their digest. */
  readonly #images = new Map<string, CrashImage>()

  /** Adds the images of every moment until the returned function is called. */
  collect(fs: InMemoryFileSystem): () => void {
    this.add(fs)
    // When an operation starts, the disk is as the operation before left it.
    return fs.operations.observe(({ operation, phase }) => {
      if (phase === 'end' && !LOOKING.has(operation)) this.add(fs)
    })
  }

  /** Adds the images of this moment. */
  add(fs: InMemoryFileSystem): void {
    const state = fs.crashState()
    for (const choice of state.everyChoice()) {
      const image = state.image(choice)
      const digest = image.digest()
      if (!this.#images.has(digest)) this.#images.set(digest, image)
    }
  }

  /** The number of images. */
  get size(): number {
    return this.#images.size
  }

  /** A log on each image, on the same machine: the next log takes the place of the one before. */
  *logs(): Generator<LogFixture> {
    // Restarting a file system from another image takes a fraction of the time of making another one.
    const fs = new InMemoryFileSystem()
    for (const image of this.#images.values()) {
      fs.crash(image)
      yield new LogFixture({}, fs)
    }
  }
}
