import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Teardown } from '../test/support/postgres.ts'
import { until } from '../test/support/until.ts'

/** A process that the benchmark started. */
export interface Started {
  readonly pid: number
  readonly child: ChildProcess
  /** What it has printed so far, both streams. */
  output(): string
}

const alive = new Set<() => void>()
process.once('exit', () => {
  for (const kill of alive) kill()
})

/** A directory of one's own, gone with the cleanup. */
export async function temporaryFolder(cleanup: Teardown): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-bench-'))
  cleanup.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/**
 * Starts a program and waits until `ready` says so; throws with what it printed when it ends first, or after `timeoutMs`, 60 s by default.
 * Its output goes to a file: reading what a busy process logs would take CPU from it.
 */
export async function startProgram(
  cleanup: Teardown,
  command: string,
  args: readonly string[],
  options: {
    readonly env?: Record<string, string>
    readonly ready: (output: string) => boolean | Promise<boolean>
    readonly timeoutMs?: number
  }
): Promise<Started> {
  const path = join(await temporaryFolder(cleanup), 'output')
  const file = openSync(path, 'w')
  const child = spawn(command, args, {
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...options.env },
    stdio: ['ignore', file, file]
  })
  closeSync(file)
  let failure: Error | undefined
  child.once('error', (error) => {
    failure = error
  })
  const hasEnded = () => failure !== undefined || child.exitCode !== null || child.signalCode !== null
  const kill = () => child.kill('SIGKILL')
  alive.add(kill)
  cleanup.teardown(async () => {
    alive.delete(kill)
    if (hasEnded()) return
    const gone = once(child, 'exit')
    child.kill('SIGTERM')
    const force = setTimeout(kill, 1_500)
    await gone
    clearTimeout(force)
  })
  const output = () => readFileSync(path, 'utf8')
  await until(async () => hasEnded() || (await options.ready(output())), options.timeoutMs ?? 60_000)
  if (hasEnded()) throw new Error(`${command} did not start: ${failure?.message ?? output()}`)
  return { pid: child.pid ?? 0, child, output }
}

/** Starts one of our own programs, which prints its port once it listens. Its options travel as JSON in an argument. */
export async function startOwnProgram(
  cleanup: Teardown,
  name: string,
  options: object = {}
): Promise<Started & { readonly port: number; readonly url: string }> {
  const path = fileURLToPath(new URL(`programs/${name}.ts`, import.meta.url))
  const started = await startProgram(cleanup, process.execPath, [path, JSON.stringify(options)], {
    ready: (output) => /^port \d+$/m.test(output)
  })
  const port = Number(/^port (\d+)$/m.exec(started.output())?.[1])
  return { ...started, port, url: `http://127.0.0.1:${port}` }
}

/** Whether something accepts connections on this port. */
export function listensOn(port: number): Promise<boolean> {
  return new Promise((answer) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      answer(true)
    })
    socket.once('error', () => answer(false))
  })
}
