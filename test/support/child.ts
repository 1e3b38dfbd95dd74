import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Teardown } from './postgres.ts'

/** Runs a script of this folder as a process of its own, which does not outlive the test, and answers its first line. */
export async function runScript(
  t: Teardown,
  script: string,
  argument: string | readonly string[],
  options: { uid?: number } = {}
): Promise<{ child: ChildProcess; said: string }> {
  const path = fileURLToPath(new URL(script, import.meta.url))
  const child = spawn(process.execPath, [path, ...[argument].flat()], {
    stdio: ['ignore', 'pipe', 'inherit'],
    ...options
  })
  t.teardown(() => kill(child))
  const [said] = await once(createInterface(child.stdout), 'line')
  return { child, said: String(said) }
}

/** Kills the process as nobody can refuse, and waits until it is gone. */
export async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}
