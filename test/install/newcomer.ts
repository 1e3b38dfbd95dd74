import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { signUp } from '../browser/house.ts'
import type { Teardown } from '../support/postgres.ts'
import { until } from '../support/until.ts'

/** How a command ended; `code` is null when a signal ended it. */
export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A command that goes on. */
export interface Running {
  readonly child: ChildProcess
  /** Both streams, as far as they were printed. */
  output(): string
  /** Resolves once it prints this; throws with what it printed where it ends before, or prints nothing of it in time. */
  prints(what: RegExp, ms?: number): Promise<RegExpExecArray>
  /** Sends the signal to the command itself and resolves to its exit status. */
  stop(name: NodeJS.Signals): Promise<number | null>
}

/** Somebody who has a folder, a shell and a few programs, and nothing else of this machine's environment. */
export interface Newcomer {
  readonly folder: string
  /** The folder that is all of PATH until an environment is activated. */
  readonly programs: string
  /** Types a line into the shell and waits; throws with what it printed where it fails. */
  types(line: string, env?: Record<string, string>): Promise<Ended>
  /** The same, however it ends. */
  tries(line: string, env?: Record<string, string>): Promise<Ended>
  /** Starts a program that goes on until it is told to stop. */
  starts(t: Teardown, program: string, args: readonly string[], env?: Record<string, string>): Promise<Running>
  /** Writes a file of the folder. */
  writes(name: string, text: string): Promise<void>
}

// How this machine reaches a package index, where it is set up for one of its own.
const ofThisMachine =
  /^(?:HOME|LANG|TMPDIR|(?:PIP|UV|SSL|REQUESTS|NODE_EXTRA|npm_config|DOCKER)_.*|https?_proxy|no_proxy)$/i

/**
 * A new folder, with a space in its name, on a machine on which only these programs are installed; taken away with the
 * test. `programs` are the names and where they are here.
 */
export async function newcomer(t: Teardown, programs: Readonly<Record<string, string>>): Promise<Newcomer> {
  const home = await mkdtemp(join(tmpdir(), 'gatehouse-newcomer-'))
  t.teardown(() => rm(home, { recursive: true, force: true, maxRetries: 5 }))
  // Other users of the machine may look in, as in any folder of a project.
  await chmod(home, 0o755)
  const folder = join(home, 'my project')
  const bin = join(home, 'bin')
  await mkdir(folder)
  await mkdir(bin)
  for (const [name, path] of Object.entries({ sh: '/bin/sh', ...programs })) await symlink(path, join(bin, name))
  const kept = Object.entries(process.env).filter(([name]) => ofThisMachine.test(name))
  const environment = { ...Object.fromEntries(kept), PATH: bin }

  const tries: Newcomer['tries'] = (line, env = {}) =>
    new Promise((resolve) => {
      const options = { cwd: folder, env: { ...environment, ...env }, timeout: 400_000, maxBuffer: 64 << 20 }
      execFile('/bin/sh', ['-c', line], options, (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : null, stdout, stderr })
      })
    })

  return {
    folder,
    programs: bin,
    tries,
    async types(line, env) {
      const ended = await tries(line, env)
      if (ended.code !== 0) throw new Error(`${line}\nended with ${ended.code}:\n${ended.stdout}\n${ended.stderr}`)
      return ended
    },
    async starts(t, program, args, env = {}) {
      const child = spawn(program, args, {
        cwd: folder,
        env: { ...environment, ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
        // A group of its own, so that the test's end reaches whatever it has started.
        detached: true
      })
      return running(t, child, [program, ...args].join(' '))
    },
    writes: (name, text) => writeFile(join(folder, name), text)
  }
}

async function running(t: Teardown, child: ChildProcess, name: string): Promise<Running> {
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  const ended = once(child, 'close')
  const kill = () => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    } catch {
      // All of it is gone already.
    }
  }
  process.once('exit', kill)
  t.teardown(async () => {
    kill()
    await ended
    process.removeListener('exit', kill)
  })
  await once(child, 'spawn')
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null
  return {
    child,
    output: () => output,
    async prints(what, ms = 180_000) {
      await until(() => what.test(output) || hasEnded(), ms).catch(() => {})
      const found = what.exec(output)
      if (found === null) throw new Error(`${name} printed no ${what}:\n${output}`)
      return found
    },
    async stop(signal) {
      child.kill(signal)
      await ended
      return child.exitCode
    }
  }
}

/** Signs up on the page that asks for a session at this address, in a real browser, and waits to be back. */
export async function signUpFor(page: Page, address: string, name: string): Promise<void> {
  await page.goto(address)
  await page.getByRole('link', { name: 'Create one' }).click()
  await signUp(page, name)
  await page.waitForURL(address)
}

/** Where a program of this machine is. */
export function whereIs(program: string): string {
  return execFileSync('/bin/sh', ['-c', `command -v ${program}`], { encoding: 'utf8' }).trim()
}

/** The path of a Python itself, whatever `command` is. */
export function realPython(command = 'python3'): string {
  return execFileSync(command, ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' }).trim()
}

/** Seconds since `since`, which `performance.now()` gave, to a tenth. */
export function seconds(since: number): string {
  return `${((performance.now() - since) / 1_000).toFixed(1)} s`
}
