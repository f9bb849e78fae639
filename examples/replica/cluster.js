/** Starts leaders and replicas as processes, and waits for what they print. For `demo.js` and the tests. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { NodeFileSystem, WalReader } from '@sq/storage'
import { cleanEnvironment } from '../clean-environment.js'

export class Member {
  #child
  /** The last number after each word that the process has printed. @type {Map<string, number>} */
  #printed = new Map()
  #changed = () => {}

  /** @param {string[]} args */
  constructor(...args) {
    this.#child = spawn(process.execPath, args, { env: cleanEnvironment(), stdio: ['pipe', 'pipe', 'inherit'] })
    // The process may be killed while lines are on the way to it.
    this.#child.stdin.on('error', () => {})
    this.exited = once(this.#child, 'close')
    createInterface(this.#child.stdout).on('line', (line) => {
      const [, word, number] = /^(\w+)[^:]* (\d+)$/.exec(line) ?? []
      if (word === undefined) return
      this.#printed.set(word, Number(number))
      this.#changed()
    })
  }

  /**
   * The last number that the process has printed after a word; 0 if it has printed none.
   *
   * @param {string} word
   */
  last(word) {
    return this.#printed.get(word) ?? 0
  }

  /** @param {string} line */
  tell(line) {
    this.#child.stdin.write(`${line}\n`)
  }

  /**
   * Resolves with the number after a word once it is printed and is at least `least`. Rejects if the process ends
   * before that.
   *
   * @param {string} word
   * @param {number} least
   */
  async until(word, least) {
    const reached = new Promise((resolve) => {
      this.#changed = () => {
        if (this.last(word) >= least) resolve(undefined)
      }
      this.#changed()
    })
    const ended = this.exited.then(() => Promise.reject(new Error(`it ended before it printed ${word} ${least}`)))
    await Promise.race([reached, ended])
    return this.last(word)
  }

  /** Ends the process in order, and resolves with its exit code. */
  async end() {
    this.#child.stdin.end()
    const [code] = await this.exited
    return code
  }

  /** Kills the process, as a power cut of the process, at whatever it is doing. */
  async kill() {
    this.#child.kill('SIGKILL')
    await this.exited
  }
}

/**
 * @param {string} dataDir
 * @param {number} epoch
 */
export async function startLeader(dataDir, epoch) {
  const member = new Member(fileURLToPath(new URL('leader-process.js', import.meta.url)), dataDir, String(epoch))
  return { member, port: await member.until('listening', 1) }
}

/**
 * @param {string} dataDir
 * @param {number} port of the leader
 */
export function startReplica(dataDir, port) {
  const member = new Member(fileURLToPath(new URL('replica-process.js', import.meta.url)), dataDir)
  member.tell(String(port))
  return member
}

/**
 * What is in a log, one line for each batch: its offset, its checksum and its values.
 *
 * @param {string} dataDir
 */
export async function batchesIn(dataDir) {
  const reader = await WalReader.open(new NodeFileSystem(), { dataDir }, 'events', 0)
  const batches = []
  for await (const batch of reader.readBatches()) {
    const values = batch.records().map(({ value }) => String(value))
    batches.push(`${batch.baseOffset} ${batch.checksum} ${values.join(' ')}`)
  }
  return batches
}
