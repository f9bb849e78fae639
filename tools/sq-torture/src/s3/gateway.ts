/**
 * A Ceph cluster of one monitor and one store in memory, with the gateway that speaks the protocol of S3. It listens on
 * loopback only, needs no rights, and ends when this process ends, however that happens.
 */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { cleanEnvironment } from '../clean-environment.ts'

/** Where a store is, and who may use it. */
export interface Endpoint {
  readonly endpoint: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

const READY_MS = 60_000
const POLL_MS = 20
const MEMORY_BYTES = 4 * 1024 ** 3

/** Ends the server when standard input ends, which it does with the process that started it. */
const SUPERVISOR = '"$@" & read -r line; kill -9 $!'

export class Gateway {
  readonly #root: string
  readonly #directory: string
  readonly #loader: readonly string[]
  readonly #servers: ChildProcess[] = []

  private constructor(root: string, directory: string, loader: readonly string[]) {
    this.#root = root
    this.#directory = directory
    this.#loader = loader
  }

  /** Starts the cluster of the packages in `root` with its files in `directory`, and makes a user. */
  static async start(root: string, directory: string, signal: AbortSignal): Promise<[Gateway, Endpoint]> {
    const libraries = await librariesIn(root)
    const loader = (await readdir(libraries)).find((name) => /^ld-linux.*\.so\.\d+$/.test(name))
    if (loader === undefined) throw new Error(`there is no loader for programs in ${libraries}`)
    const paths = [libraries, join(libraries, 'ceph')]
    const gateway = new Gateway(root, directory, [join(libraries, loader), '--library-path', paths.join(':')])
    try {
      return [gateway, await gateway.#start(libraries, signal)]
    } catch (error) {
      await gateway.stop()
      throw error
    }
  }

  /** The version of Ceph. */
  async version(): Promise<string> {
    return /version (\S+)/.exec(await this.#run('radosgw', ['--version']))?.[1] ?? 'unknown'
  }

  /** Resolves when no process is left. A second call does nothing. */
  async stop(): Promise<void> {
    const running = this.#servers.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)
    await Promise.all(
      running.map((server) => {
        const ended = once(server, 'exit')
        server.stdin?.end()
        return ended
      }),
    )
  }

  async #start(libraries: string, signal: AbortSignal): Promise<Endpoint> {
    const [port, monitorPort] = [await freePort(), await freePort()]
    const cluster = randomUUID()
    for (const name of ['mon', 'osd']) await mkdir(join(this.#directory, name))
    await writeFile(this.#file('conf'), this.#configuration({ cluster, port, monitorPort, libraries }))
    await this.#prepare(cluster, monitorPort)
    this.#serve('ceph-mon', ['-i', 'a'])
    this.#serve('ceph-osd', ['-i', '0'])
    this.#serve('radosgw', ['-n', 'client.rgw'])
    await this.#listening(port, signal)
    const accessKeyId = randomBytes(10).toString('hex')
    const secretAccessKey = randomBytes(20).toString('hex')
    const user = ['user', 'create', '--uid', 'sq', '--display-name', 'sq']
    const keys = ['--access-key', accessKeyId, '--secret', secretAccessKey]
    await this.#run('radosgw-admin', ['-c', this.#file('conf'), '-n', 'client.rgw', ...user, ...keys])
    return { endpoint: `http://127.0.0.1:${port}`, accessKeyId, secretAccessKey }
  }

  /** Makes the keys of the servers, a map with one store, and the data of both. */
  async #prepare(cluster: string, monitorPort: number): Promise<void> {
    const conf = ['-c', this.#file('conf')]
    const keyring = this.#file('keyring')
    await this.#run('ceph-authtool', [
      '--create-keyring',
      keyring,
      '--gen-key',
      '-n',
      'mon.',
      '--cap',
      'mon',
      'allow *',
    ])
    const store = ['--cap', 'mon', 'allow profile osd', '--cap', 'osd', 'allow *']
    await this.#run('ceph-authtool', [keyring, '--gen-key', '-n', 'osd.0', ...store])
    const user = ['--cap', 'mon', 'allow rw', '--cap', 'osd', 'allow rwx']
    await this.#run('ceph-authtool', [keyring, '--gen-key', '-n', 'client.rgw', ...user])
    const [monitors, stores] = [this.#file('monmap'), this.#file('osdmap')]
    const address = `[v2:127.0.0.1:${monitorPort}]`
    await this.#run('monmaptool', ['--create', '--addv', 'a', address, '--fsid', cluster, monitors])
    await this.#run('osdmaptool', [...conf, '--createsimple', '1', stores])
    const maps = ['--monmap', monitors, '--osdmap', stores, '--keyring', keyring]
    await this.#run('ceph-mon', [...conf, '--mkfs', '-i', 'a', ...maps])
    await this.#run('ceph-osd', [...conf, '--mkfs', '-i', '0', '--no-mon-config', '--osd-uuid', randomUUID()])
  }

  #configuration(of: { cluster: string; port: number; monitorPort: number; libraries: string }): string {
    const settings = {
      fsid: of.cluster,
      'mon host': `[v2:127.0.0.1:${of.monitorPort}/0]`,
      'public addr': '127.0.0.1',
      'cluster addr': '127.0.0.1',
      keyring: this.#file('keyring'),
      'admin socket': '',
      'log file': this.#file('$name.log'),
      'mon cluster log file': this.#file('cluster.log'),
      'mon data': this.#file('mon'),
      'osd data': this.#file('osd'),
      'plugin dir': join(of.libraries, 'ceph'),
      'erasure code dir': join(of.libraries, 'ceph/erasure-code'),
      'osd class dir': join(of.libraries, 'rados-classes'),
      // There is one copy of everything, in memory.
      'osd objectstore': 'memstore',
      'memstore device bytes': MEMORY_BYTES,
      'osd pool default size': 1,
      'osd pool default min size': 1,
      'mon allow pool size one': true,
      'osd pool default pg num': 8,
      'osd pool default pgp num': 8,
      'osd pool default pg autoscale mode': 'off',
      'mon max pg per osd': 1000,
      // A full disk does not matter.
      'mon data avail crit': 1,
      // Nothing has to agree with another monitor.
      'paxos propose interval': 0.01,
      'paxos min wait': 0.01,
      // Without `tcp_nodelay`, every small answer takes 40 ms.
      'rgw frontends': `beast endpoint=127.0.0.1:${of.port} tcp_nodelay=1`,
      'rgw thread pool size': 32,
      'rgw run sync thread': false,
      // What is deleted leaves the memory soon.
      'rgw gc obj min wait': 1,
      'rgw gc processor period': 5,
    }
    return ['[global]', ...Object.entries(settings).map(([name, value]) => `${name} = ${value}`), ''].join('\n')
  }

  #serve(program: string, args: readonly string[]): void {
    const command = [...this.#loader, join(this.#root, 'usr/bin', program), '-c', this.#file('conf'), '-f', ...args]
    const server = spawn('sh', ['-c', SUPERVISOR, 'sh', ...command], {
      env: cleanEnvironment(),
      stdio: ['pipe', 'ignore', 'ignore'],
    })
    this.#servers.push(server)
  }

  async #run(program: string, args: readonly string[]): Promise<string> {
    const [loader = '', ...options] = this.#loader
    const child = spawn(loader, [...options, join(this.#root, 'usr/bin', program), ...args], {
      env: cleanEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const ended = once(child, 'close')
    const [out, err] = await Promise.all([text(child.stdout), text(child.stderr), ended])
    if (child.exitCode !== 0) throw new Error(`${program} failed: ${err}`)
    return out
  }

  async #listening(port: number, signal: AbortSignal): Promise<void> {
    const giveUp = AbortSignal.timeout(READY_MS)
    while (!(await accepts(port))) {
      signal.throwIfAborted()
      if (giveUp.aborted) {
        const log = await readFile(this.#file('client.rgw.log'), 'utf8').catch(() => 'there is no log')
        throw new Error(`the gateway did not start within ${READY_MS / 1000} s: ${log.slice(-2000)}`)
      }
      await sleep(POLL_MS)
    }
  }

  #file(name: string): string {
    return join(this.#directory, name)
  }
}

async function librariesIn(root: string): Promise<string> {
  const names = await readdir(join(root, 'usr/lib'))
  return join(root, 'usr/lib', names.find((name) => name.endsWith('-linux-gnu')) ?? '')
}

/** A port of loopback that nothing listens on at this moment. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const closed = once(server, 'close')
  server.close()
  await closed
  if (address === null || typeof address === 'string') throw new Error('there is no free port')
  return address.port
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
