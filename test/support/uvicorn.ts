import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { freePort } from './ports.ts'
import { testPython } from './python.ts'

const exampleApp = fileURLToPath(new URL('../../examples/fastapi', import.meta.url))

/** How to start uvicorn; everything has a default. */
export interface UvicornOptions {
  /** `module:variable`, `main:app` unless given */
  app?: string
  /** The folder the app lives in, the example app's unless given. */
  dir?: string
  /** Added to a bare environment. `FORWARDED_ALLOW_IPS` trusts the gateway beside it unless given. */
  env?: Record<string, string>
  /** Listen on this Unix socket instead of a port. */
  uds?: string
  /** Serve https with these PEM files. */
  ssl?: { keyFile: string; certFile: string }
  /** Further uvicorn arguments. */
  args?: readonly string[]
}

/** A running uvicorn. */
export interface Uvicorn {
  /** As `UPSTREAM_URL` wants it: `http://127.0.0.1:PORT`, `https://localhost:PORT` or `unix:/path`. */
  readonly url: string
  /** 0 on a Unix socket. */
  readonly port: number
  /** What it has printed so far. */
  output(): string
  /** Stops it and waits until it is gone. May be called again. */
  stop(): Promise<void>
  /** Starts it again on the same port, stopping it first where it still runs. */
  restart(): Promise<void>
  /** Stops answering without closing anything, as a hung process would, until `resume`. */
  pause(): void
  resume(): void
}

/** Starts uvicorn on a free port and waits until it answers; throws with its output when it does not within two minutes. */
export async function startUvicorn(
  t: { teardown(work: () => Promise<void>): void },
  options: UvicornOptions = {}
): Promise<Uvicorn> {
  const python = await testPython()
  let output = ''
  let child: ChildProcess | undefined
  const port = options.uds === undefined ? await freePort() : 0

  async function start(): Promise<void> {
    const started = spawn(python, commandLine(options, port), {
      cwd: options.dir ?? exampleApp,
      env: {
        PATH: process.env['PATH'],
        PYTHONDONTWRITEBYTECODE: '1',
        FORWARDED_ALLOW_IPS: options.uds === undefined ? '127.0.0.1' : '*',
        ...options.env
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own, so that stopping it reaches whatever the app itself started.
      detached: true
    })
    child = started
    const from = output.length
    const closed = new Promise((resolve) => started.once('close', resolve))
    for (const stream of [started.stdout, started.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text
      })
    }
    if (await isListening(started, () => output.slice(from))) return
    signal(started, 'SIGKILL')
    await closed
    throw new Error(`uvicorn did not start:\n${output.slice(from)}`)
  }

  async function stop(): Promise<void> {
    const running = child
    child = undefined
    if (running === undefined) return
    const gone = hasExited(running) ? undefined : once(running, 'exit')
    signal(running, 'SIGCONT')
    signal(running, 'SIGTERM')
    const force = setTimeout(signal, 3_000, running, 'SIGKILL')
    await gone
    clearTimeout(force)
    signal(running, 'SIGKILL')
  }

  function killAtExit(): void {
    if (child !== undefined) signal(child, 'SIGKILL')
  }

  process.once('exit', killAtExit)
  t.teardown(async () => {
    await stop()
    process.removeListener('exit', killAtExit)
  })
  await start()

  return {
    url: address(options, port),
    port,
    output: () => output,
    stop,
    async restart() {
      await stop()
      await start()
    },
    pause: () => child && signal(child, 'SIGSTOP'),
    resume: () => child && signal(child, 'SIGCONT')
  }
}

function commandLine(options: UvicornOptions, port: number): string[] {
  const place = options.uds === undefined ? ['--host', '127.0.0.1', '--port', String(port)] : ['--uds', options.uds]
  const { ssl } = options
  const tls = ssl === undefined ? [] : ['--ssl-keyfile', ssl.keyFile, '--ssl-certfile', ssl.certFile]
  // Its own five seconds may pass while a machine stands still, in the moment in which a connection is used again.
  const patience = ['--timeout-keep-alive', '60']
  return ['-m', 'uvicorn', options.app ?? 'main:app', ...place, ...tls, ...patience, ...(options.args ?? [])]
}

function address(options: UvicornOptions, port: number): string {
  if (options.uds !== undefined) return `unix:${options.uds}`
  return options.ssl === undefined ? `http://127.0.0.1:${port}` : `https://localhost:${port}`
}

// uvicorn prints this line once it listens and the app has started.
async function isListening(child: ChildProcess, output: () => string): Promise<boolean> {
  const deadline = Date.now() + 120_000
  while (Date.now() < deadline && !hasExited(child)) {
    if (/Uvicorn running on (?:https?:\/\/|unix socket)/.test(output())) return true
    await new Promise((done) => setTimeout(done, 20))
  }
  return false
}

function hasExited(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}

function signal(child: ChildProcess, name: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, name)
  } catch {
    // It is gone already.
  }
}
