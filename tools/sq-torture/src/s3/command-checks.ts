/** What must hold of the commands that read an archive on a real server, run as an operator runs them. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { cleanEnvironment } from '../clean-environment.ts'
import { inDirectory } from './archived-machine.ts'
import type { Check } from './check.ts'
import type { TestServer } from './test-server.ts'
import { whileDenied } from './trouble-checks.ts'

const COMMAND = fileURLToPath(new URL('dist/main.js', import.meta.resolve('@sq/wal-cli/package.json')))
/** More than one megabyte, so that a closed pipe is noticed before the end. */
const RECORDS = 50_000
const FIRST = '00000000000000000000.wal'
const SECOND = `${String(RECORDS).padStart(20, '0')}.wal`

/** An archive in a bucket of its own, and the directory of the machine. */
class Operator {
  readonly server: TestServer
  readonly bucket: string
  readonly #directory: string
  readonly #env: NodeJS.ProcessEnv

  private constructor(place: { server: TestServer; bucket: string; directory: string; env: NodeJS.ProcessEnv }) {
    this.server = place.server
    this.bucket = place.bucket
    this.#directory = place.directory
    this.#env = place.env
  }

  static async at(server: TestServer, directory: string): Promise<Operator> {
    const { accessKeyId, secretAccessKey, sessionToken } = await server.s3.config.credentials()
    const { endpoint, region } = server.client
    assert.ok(typeof endpoint === 'string' && typeof region === 'string')
    const env = cleanEnvironment({
      AWS_ENDPOINT_URL_S3: endpoint,
      AWS_REGION: region,
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      ...(sessionToken !== undefined && { AWS_SESSION_TOKEN: sessionToken }),
      // The SDK warns of the versions of Node that it will not support.
      NODE_NO_WARNINGS: '1',
    })
    return new Operator({ server, bucket: await server.bucket(), directory, env })
  }

  /** The archive as the command line names it. */
  get store(): string {
    return `s3://${this.bucket}/main`
  }

  start(line: string, env: NodeJS.ProcessEnv = {}): ChildProcessByStdio<null, Readable, Readable> {
    return spawn(process.execPath, [COMMAND, ...line.split(' ')], {
      cwd: this.#directory,
      env: { ...this.#env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
  }

  async run(
    line: string,
    env: NodeJS.ProcessEnv = {},
  ): Promise<{ status: number | null; stdout: string; stderr: string }> {
    const child = this.start(line, env)
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
    return { status: child.exitCode, stdout, stderr }
  }

  /** Runs a command that succeeds, and resolves with its output. */
  async done(line: string): Promise<string> {
    const { status, stdout, stderr } = await this.run(line)
    assert.deepEqual([status, stderr], [0, ''], line)
    return stdout
  }

  /** Runs a command that fails with this message. */
  async refused(line: string, message: string, env: NodeJS.ProcessEnv = {}): Promise<void> {
    const { status, stderr } = await this.run(line, env)
    assert.deepEqual([status, stderr.split('\n').length], [1, 2], `${line}: ${stderr}`)
    assert.ok(stderr.includes(message), `${line}: ${stderr}`)
  }

  /** Appends records, ends their segment and archives it. */
  async archive(name: string, records: number): Promise<void> {
    const lines = Array.from({ length: records }, (_, index) => `${name} ${index}\n`)
    await writeFile(join(this.#directory, 'input'), lines.join(''))
    await this.done('append orders/0 -d data input')
    await this.done(`archive push orders/0 -d data --end --store ${this.store}`)
  }
}

function check(name: string, run: (operator: Operator) => Promise<void>): Check {
  return { name, run: (server) => inDirectory(async (directory) => run(await Operator.at(server, directory))) }
}

export const COMMAND_CHECKS: readonly Check[] = [
  check('the commands print of an archive what they print of the local log', async (operator) => {
    await operator.archive('first', RECORDS)
    await operator.archive('second', 10)
    const { store } = operator
    const lines = ['ls', 'ls --json', 'cat orders/0', 'tail orders/0', 'verify orders/0', 'segments orders/0']
    for (const line of [...lines, 'verify --all', `cat orders/0 --from ${RECORDS} --format json`]) {
      assert.equal(await operator.done(`${line} --store ${store}`), await operator.done(`${line} -d data`), line)
    }
    const local = await operator.done(`dump data/orders/0/${FIRST}`)
    assert.equal(await operator.done(`dump orders/0/${FIRST} --store ${store}`), local)
  }),
  check('tail -f prints what is archived meanwhile, and a closed pipe ends cat', async (operator) => {
    await operator.archive('first', RECORDS)
    const { store } = operator
    const cat = operator.start(`cat orders/0 --store ${store}`)
    const [chunk] = await once(cat.stdout, 'data')
    assert.match(String(chunk), /^0 .* first 0\n/)
    cat.stdout.destroy()
    await once(cat, 'close')
    assert.equal(cat.exitCode, 0)

    const tail = operator.start(`tail -f -n 1 orders/0 --format raw --store ${store}`)
    const ended = once(tail, 'close')
    const seen: string[] = []
    for await (const line of createInterface(tail.stdout)) {
      seen.push(line)
      if (seen.length === 1) await operator.archive('second', 1)
      else tail.kill('SIGINT')
    }
    await ended
    assert.deepEqual([seen, tail.exitCode], [[`first ${RECORDS - 1}`, 'second 0'], 0])
  }),
  check('a command says what is wrong with an archive, a bucket or its rights', async (operator) => {
    await operator.archive('first', RECORDS)
    await operator.archive('second', 1)
    await operator.archive('third', 1)
    const { server, bucket, store } = operator
    await operator.refused('ls --store s3://sq-test-no-such-bucket', 'there is no bucket "sq-test-no-such-bucket"')
    const wrong = { AWS_SECRET_ACCESS_KEY: 'wrong' }
    await operator.refused(`ls --store ${store}`, 'the secret key is not that of the access key', wrong)
    await operator.refused(
      `cat orders/9 --store ${store}`,
      `there is no log in /orders/9 ("sq-wal ls --store ${store}"`,
    )
    await operator.refused(`verify --all --store ${store}/empty`, `there is no log in ${store}/empty`)
    for (const right of ['s3:ListBucket', 's3:GetObject']) {
      await whileDenied(operator, [right], () => operator.refused(`cat orders/0 --store ${store}`, right))
    }
    await server.s3.deleteObject({ Bucket: bucket, Key: `main/orders/0/${SECOND}` })
    await operator.refused(`cat orders/0 --store ${store}`, `(offsets ${RECORDS} to ${RECORDS})`)
    const { status, stdout } = await operator.run(`verify orders/0 --store ${store}`)
    assert.equal(status, 1)
    assert.match(stdout, / 1  missing .*\n\nPut missing and damaged segments back: /)
  }),
]
