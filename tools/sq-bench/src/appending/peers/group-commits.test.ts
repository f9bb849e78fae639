import { expect, test } from 'vitest'
import { groupCommits } from './group-commits.ts'

/** Commits that end when the test says so. */
class Commits {
  readonly sizes: number[] = []
  readonly #ends: { resolve: () => void; reject: (reason: unknown) => void }[] = []

  readonly commit = (values: readonly Buffer[]): Promise<void> => {
    this.sizes.push(values.length)
    return new Promise((resolve, reject) => this.#ends.push({ resolve, reject }))
  }

  /** Ends the oldest commit in flight, and runs everything that waits for it. */
  async end(error?: Error): Promise<void> {
    const oldest = this.#ends.shift()
    if (error === undefined) oldest?.resolve()
    else oldest?.reject(error)
    await turn()
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

const VALUE = Buffer.from('a')

test('values appended in the same turn are committed together', async () => {
  const commits = new Commits()
  const append = groupCommits(commits.commit)
  const all = Promise.all([append(VALUE), append(VALUE), append(VALUE)])
  await turn()
  expect(commits.sizes).toEqual([3])
  await commits.end()
  await all
})

test('values appended while a commit is in flight wait for the next one', async () => {
  const commits = new Commits()
  const append = groupCommits(commits.commit)
  const first = append(VALUE)
  await turn()
  const later = [append(VALUE), append(VALUE)]
  await turn()
  expect(commits.sizes).toEqual([1])
  await commits.end()
  await first
  expect(commits.sizes).toEqual([1, 2])
  await commits.end()
  await Promise.all(later)
})

test('producers that were acknowledged together also share the next commit', async () => {
  const commits = new Commits()
  const append = groupCommits(commits.commit)
  const produce = async (): Promise<void> => {
    await append(VALUE)
    await append(VALUE)
  }
  const all = Promise.all([produce(), produce(), produce()])
  await turn()
  await commits.end()
  expect(commits.sizes).toEqual([3, 3])
  await commits.end()
  await all
})

test('a failed commit rejects its own values only', async () => {
  const commits = new Commits()
  const append = groupCommits(commits.commit)
  const failing = expect(append(VALUE)).rejects.toThrow('no space')
  await turn()
  const next = append(VALUE)
  await commits.end(new Error('no space'))
  await failing
  await commits.end()
  await expect(next).resolves.toBeUndefined()
})
