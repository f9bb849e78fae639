/** Starts the broker as a process, and stops it in order or kills it. For the tests. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { cleanEnvironment } from '../clean-environment.js'

const MAIN = fileURLToPath(new URL('main.js', import.meta.url))

export class BrokerProcess {
  #dataDir
  #options
  /** @type {import('node:child_process').ChildProcess | null} */
  #child = null
  port = 0
  /** Where it answers an operator, if it was started with `--http`. */
  httpAddress = ''

  /**
   * @param {string} dataDir
   * @param {string[]} [options] more of `main.js`
   */
  constructor(dataDir, options = []) {
    this.#dataDir = dataDir
    this.#options = options
  }

  get address() {
    return `127.0.0.1:${this.port}`
  }

  get pid() {
    return this.#child?.pid
  }

  /** Its memory that is in use, as Linux counts it; 0 on other systems. */
  get residentBytes() {
    if (process.platform !== 'linux') return 0
    const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8')) ?? []
    return Number(kib) * 1024
  }

  /** Starts the broker, on the same port as before, and resolves when clients can connect. */
  async start() {
    const args = [MAIN, this.#dataDir, '--port', String(this.port), '--auto-create-topics', ...this.#options]
    const child = spawn(process.execPath, args, { env: cleanEnvironment(), stdio: ['ignore', 'pipe', 'inherit'] })
    this.#child = child
    for await (const line of createInterface(child.stdout)) {
      this.httpAddress = /^metrics on http:\/\/(.*)\/metrics$/.exec(line)?.[1] ?? this.httpAddress
      const [, port] = /^listening on .*:(\d+)$/.exec(line) ?? []
      if (port === undefined) continue
      this.port = Number(port)
      return this
    }
    throw new Error('the broker ended before it listened')
  }

  /** Kills it at whatever it is doing. */
  async kill() {
    await this.#end('SIGKILL')
  }

  /** Ends it in order, and resolves with its exit code. */
  async stop() {
    return this.#end('SIGTERM')
  }

  /** @param {NodeJS.Signals} signal */
  async #end(signal) {
    const child = this.#child
    if (child === null || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null
    const ended = once(child, 'close')
    child.kill(signal)
    await ended
    return child.exitCode
  }
}
