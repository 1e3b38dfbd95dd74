import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { freePort } from './ports.ts'
import { serversPython } from './python.ts'
import { until } from './until.ts'

/** How to start a server of Python's. */
export interface ServerOptions {
  /** What `python -m` runs. */
  readonly module: string
  /** Its arguments on this port of 127.0.0.1. */
  readonly args: (port: number) => readonly string[]
  /** The folder that the app is in. */
  readonly dir: string
  /** Added to a bare environment. */
  readonly env?: Readonly<Record<string, string>>
}

export interface RunningServer {
  readonly url: string
  readonly port: number
  readonly output: () => string
}

/** Starts a server on a free port and waits until it takes connections, and stops it with the test. Throws with its output when it ends before. */
export async function startServer(
  t: { teardown(work: () => Promise<void>): void },
  { module, args, dir, env }: ServerOptions
): Promise<RunningServer> {
  const python = await serversPython()
  const port = await freePort()
  const child = spawn(python, ['-m', module, ...args(port)], {
    cwd: dir,
    env: { PATH: process.env['PATH'], PYTHONDONTWRITEBYTECODE: '1', PYTHONPATH: dir, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own: most of these servers start further processes.
    detached: true
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  const killAtExit = () => signal(child, 'SIGKILL')
  process.once('exit', killAtExit)
  t.teardown(async () => {
    const gone = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined
    killAtExit()
    await gone
    process.removeListener('exit', killAtExit)
  })
  await until(() => {
    if (child.exitCode !== null) throw new Error(`${module} did not start:\n${output}`)
    return takesConnections(port)
  }, 120_000)
  return { url: `http://127.0.0.1:${port}`, port, output: () => output }
}

function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('error', () => resolve(false))
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
  })
}

function signal(child: ChildProcess, name: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, name)
  } catch {
    // It is gone already.
  }
}
