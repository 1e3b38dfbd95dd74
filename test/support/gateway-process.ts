import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { kill } from './child.ts'
import type { Teardown } from './postgres.ts'
import { until } from './until.ts'

const entry = fileURLToPath(new URL('../../src/gatehouse.js', import.meta.url))

export interface GatewayProcess {
  readonly child: ChildProcess
  readonly publicUrl: string
  readonly adminUrl: string
  readonly port: number
  /** What it has printed so far. */
  readonly stdout: () => string
  readonly stderr: () => string
  /** Resolves to the exit status once it has exited, and all that it printed has been read. */
  exited(): Promise<number | null>
}

/** `npm start` without npm: a gateway as a process of its own, on free ports, killed with the test. */
export async function startGatewayProcess(t: Teardown, env: Record<string, string>): Promise<GatewayProcess> {
  const spawned = spawnGateway(t, env)
  const ready = /^\{.*"msg":"gatehouse ready".*\}$/m
  await until(() => ready.test(spawned.stdout()) || spawned.child.exitCode !== null, 120_000)
  const line = ready.exec(spawned.stdout())?.[0]
  if (line === undefined) throw new Error(`the gateway did not start: ${spawned.stderr()}`)
  const { publicUrl, adminUrl } = JSON.parse(line) as { publicUrl: string; adminUrl: string }
  return { ...spawned, publicUrl, adminUrl, port: Number(new URL(publicUrl).port) }
}

/** The same, whatever becomes of it. */
export function spawnGateway(
  t: Teardown,
  env: Record<string, string>
): Pick<GatewayProcess, 'child' | 'stdout' | 'stderr' | 'exited'> {
  let stdout = ''
  let stderr = ''
  const child = spawn(process.execPath, [entry, 'start'], {
    env: { PATH: process.env['PATH'], PORT: '0', ADMIN_PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  child.stdout.on('data', (chunk) => {
    stdout += chunk
  })
  child.stderr.on('data', (chunk) => {
    stderr += chunk
  })
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()))
  t.teardown(() => kill(child))
  return {
    child,
    stdout: () => stdout,
    stderr: () => stderr,
    async exited() {
      await closed
      return child.exitCode
    }
  }
}
