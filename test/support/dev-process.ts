import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Teardown } from './postgres.ts'
import { isAlive } from './processes.ts'
import { testPython } from './python.ts'
import { until } from './until.ts'

const run = promisify(execFile)
const entry = fileURLToPath(new URL('../../src/gatehouse.js', import.meta.url))
const terminal = fileURLToPath(new URL('terminal.py', import.meta.url))

/** The app of somebody who has never heard of Gatehouse, but for the headers. */
export const app = `from fastapi import FastAPI, Request

app = FastAPI()


@app.get("/me")
def me(request: Request) -> dict[str, str | None]:
    return {"email": request.headers.get("x-user-email"), "name": request.headers.get("x-user-name")}


@app.get("/greeting")
def greeting() -> str:
    return "good morning"
`

export const policy = `export default {
  principalHeaders: ['name'],
  routes: [{ path: '/greeting', access: 'public' }]
}
`

/** A folder of somebody's project, with these files, removed with the test. */
export async function makeProject(t: Teardown, files: Readonly<Record<string, string>> = {}): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-project-'))
  t.teardown(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }))
  const all = { 'main.py': app, 'gatehouse.config.ts': policy, ...files }
  for (const [name, text] of Object.entries(all)) await writeFile(join(folder, name), text)
  return folder
}

export interface DevProcess {
  readonly child: ChildProcess
  /** All that it has printed so far, on both streams. */
  output(): string
  /** Waits until it has printed this after what it had printed when `since` characters were there. */
  printed(text: string | RegExp, since?: number): Promise<void>
  /** The public address, once it is ready. */
  ready(): Promise<string>
  /** Resolves to its exit status. */
  readonly ended: Promise<number | null>
  /** Types on its terminal. */
  type(text: string): void
}

export interface DevProcessOptions {
  readonly cwd: string
  readonly args?: readonly string[]
  readonly env?: Record<string, string>
  /** On a terminal; otherwise its output is a pipe. */
  readonly terminal?: boolean
}

/** `gatehouse dev` in a project's folder, on free ports, with the Python of the example app; killed with the test. */
export async function startDev(t: Teardown, options: DevProcessOptions): Promise<DevProcess> {
  const { cwd, args = [], env = {} } = options
  const virtualEnvironment = dirname(dirname(await testPython()))
  const command = [process.execPath, '--max-semi-space-size=16', entry, 'dev', ...args]
  const [file = '', ...rest] = options.terminal === true ? ['python3', terminal, ...command] : command
  const child = spawn(file, rest, {
    cwd,
    env: {
      PATH: process.env['PATH'],
      HOME: cwd,
      TERM: 'xterm-256color',
      PYTHONDONTWRITEBYTECODE: '1',
      VIRTUAL_ENV: virtualEnvironment,
      PORT: '0',
      ...env
    },
    stdio: ['pipe', 'pipe', 'pipe']
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  const ended = once(child, 'close').then(() => child.exitCode)
  t.teardown(async () => {
    const left = await descendants(child.pid)
    child.kill('SIGTERM')
    await Promise.race([ended, new Promise((done) => setTimeout(done, 10_000).unref())])
    for (const pid of [child.pid ?? 0, ...left.keys()]) if (pid > 0 && isAlive(pid)) process.kill(pid, 'SIGKILL')
  })

  async function printed(text: string | RegExp, since = 0): Promise<void> {
    const isThere = () => {
      const printed = output.slice(since)
      return typeof text === 'string' ? printed.includes(text) : text.test(printed)
    }
    await until(() => isThere() || child.exitCode !== null, 60_000).catch(() => {})
    if (!isThere()) throw new Error(`never printed ${text}:\n${output}`)
  }

  return {
    child,
    ended,
    output: () => output,
    printed,
    async ready() {
      await printed(/"msg":"gatehouse ready"|Ctrl-C stops everything/)
      const address = /"publicUrl":"([^"]+)"/.exec(output)?.[1] ?? /http:\/\/localhost:\d+/.exec(plain(output))?.[0]
      if (address === undefined) throw new Error(`no address:\n${output}`)
      return address
    },
    type: (text) => void child.stdin?.write(text)
  }
}

/** Without colours. */
export function plain(text: string): string {
  return text.replace(/\u001b\[[0-9;]*m/g, '')
}

/** The processes that this one started, and those that they started, with their command lines. */
export async function descendants(pid: number | undefined): Promise<Map<number, string>> {
  const { stdout } = await run('ps', ['-eo', 'pid=,ppid=,args='])
  const all = stdout.split('\n').flatMap((line) => {
    const [, own, parent, args] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? []
    return args === undefined || args.startsWith('ps ') ? [] : [{ pid: Number(own), parent: Number(parent), args }]
  })
  const found = new Map<number, string>()
  const add = (parent: number): void => {
    for (const process of all.filter((candidate) => candidate.parent === parent)) {
      found.set(process.pid, process.args)
      add(process.pid)
    }
  }
  if (pid !== undefined) add(pid)
  return found
}

/** Waits until none of them is there any more: the last may still be on its way out. */
export function areGone(processes: ReadonlyMap<number, string>): Promise<void> {
  return until(() => ![...processes.keys()].some(isAlive))
}
