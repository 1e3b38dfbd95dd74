import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findProgram } from '../../bench/os.ts'
import { kill } from './child.ts'
import { freePort } from './ports.ts'
import type { Teardown } from './postgres.ts'
import { until } from './until.ts'

const certificate = fileURLToPath(new URL('../proxy/certificates/public.pem', import.meta.url))
const key = fileURLToPath(new URL('../proxy/certificates/public.key.pem', import.meta.url))

/** A proxy that terminates TLS in front of a gateway, as the documentation configures it. */
export interface TlsProxy {
  readonly name: 'nginx' | 'caddy'
  /** Starts it for `app.example.com` on a free port of loopback, before the gateway on `upstreamPort`; answers its port. */
  start(t: Teardown, configuration: string, upstreamPort: number): Promise<number>
}

/** For `{ skip: withoutProgram('nginx') }`: false where the program is installed, the reason where it is not. */
export function withoutProgram(name: string): false | string {
  return findProgram(name) === undefined && `${name} is not installed`
}

/** nginx with a `server` block that says `listen 443 ssl` and passes to `127.0.0.1:8080`. */
export const nginx: TlsProxy = {
  name: 'nginx',
  async start(t, configuration, upstreamPort) {
    const port = await freePort()
    const folder = await temporaryFolder(t)
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    const site = replaced(configuration, [
      ['listen 443 ssl', `listen 127.0.0.1:${port} ssl`],
      ['/etc/ssl/app.example.com.pem', certificate],
      ['/etc/ssl/app.example.com.key', key],
      ['http://127.0.0.1:8080', `http://127.0.0.1:${upstreamPort}`]
    ])
    const lines = [
      userInfo().uid === 0 ? `user ${userInfo().username};` : '',
      `daemon off; worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log;`,
      'events {}',
      `http { access_log off; ${temporary.map((kind) => `${kind}_temp_path ${folder}/${kind};`).join(' ')}`,
      `${site} }`
    ]
    await writeFile(join(folder, 'nginx.conf'), lines.join('\n'))
    await run(t, 'nginx', ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', join(folder, 'error.log')], port)
    return port
  }
}

/** Caddy with a site `app.example.com` that passes to `127.0.0.1:8080`; the certificate is the tests' own. */
export const caddy: TlsProxy = {
  name: 'caddy',
  async start(t, configuration, upstreamPort) {
    const port = await freePort()
    const folder = await temporaryFolder(t)
    const site = replaced(configuration, [
      ['app.example.com {', `app.example.com {\n\tbind 127.0.0.1\n\ttls ${certificate} ${key}`],
      ['127.0.0.1:8080', `127.0.0.1:${upstreamPort}`]
    ])
    const own = `{\n\tadmin off\n\tauto_https disable_redirects\n\tskip_install_trust\n\thttps_port ${port}\n}\n`
    await writeFile(join(folder, 'Caddyfile'), own + site)
    const home = { XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder }
    await run(t, 'caddy', ['run', '--config', join(folder, 'Caddyfile'), '--adapter', 'caddyfile'], port, home)
    return port
  }
}

// What a test has to change about a configuration that is shown; each has to be there.
function replaced(text: string, changes: readonly (readonly [from: string, to: string])[]): string {
  return changes.reduce((changed, [from, to]) => {
    if (!changed.includes(from)) throw new Error(`the configuration does not have ${from}`)
    return changed.replaceAll(from, to)
  }, text)
}

async function temporaryFolder(t: Teardown): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-proxy-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await mkdir(join(folder, 'logs'))
  return folder
}

async function run(
  t: Teardown,
  name: string,
  args: readonly string[],
  port: number,
  env: Record<string, string> = {}
): Promise<void> {
  let said = ''
  const child = spawn(findProgram(name) ?? name, args, {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
    // nginx has workers, which go with their group.
    detached: true
  })
  child.stderr.setEncoding('utf8').on('data', (text) => {
    said += text
  })
  t.teardown(async () => {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
    const gone = once(child, 'exit')
    process.kill(-child.pid, 'SIGTERM')
    const force = setTimeout(() => kill(child), 3_000)
    await gone
    clearTimeout(force)
  })
  await until(async () => child.exitCode !== null || (await listensOn(port)), 60_000)
  if (child.exitCode !== null) throw new Error(`${name} did not start: ${said}`)
}

function listensOn(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}
