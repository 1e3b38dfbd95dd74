import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Teardown } from '../support/postgres.ts'

const entry = fileURLToPath(new URL('../../src/gatehouse.js', import.meta.url))

/** What a process holds. Undefined where the system has no /proc. */
export interface Holdings {
  readonly residentMb: number
  readonly descriptors: number
}

/** A gateway that is fuzzed or put through faults: only what went wrong is kept of its log, for it may run for hours. */
export interface FuzzedGateway {
  readonly publicUrl: string
  readonly adminUrl: string
  readonly port: number
  /** Log lines of level error and above, and everything on standard error. */
  readonly complaints: readonly string[]
  isAlive(): boolean
  holdings(): Promise<Holdings | undefined>
  /** Asks it to stop and resolves to its exit status. */
  stop(): Promise<number | null>
}

/** `onLine` is given every line of its log; true: it is nothing to complain about. */
export async function startFuzzedGateway(
  t: Teardown,
  env: Record<string, string>,
  onLine: (line: string) => boolean = () => false
): Promise<FuzzedGateway> {
  // As little heap as it needs: with more, Node lets garbage lie about, and what grows does not show.
  const child = spawn(process.execPath, ['--max-old-space-size=96', '--max-semi-space-size=8', entry, 'start'], {
    env: { PATH: process.env['PATH'], PORT: '0', ADMIN_PORT: '0', LOG_LEVEL: 'info', ...env },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  t.teardown(() => child.kill('SIGKILL'))
  const complaints: string[] = []
  const complain = (line: string) => {
    if (complaints.length < 100) complaints.push(line)
  }
  const isAlive = () => child.exitCode === null && child.signalCode === null
  createInterface(child.stderr).on('line', complain)

  const { publicUrl, adminUrl, port } = await new Promise<Pick<FuzzedGateway, 'publicUrl' | 'adminUrl' | 'port'>>(
    (resolve, reject) => {
      createInterface(child.stdout).on('line', (line) => {
        if (onLine(line)) return
        if (!line.startsWith('{') || /"level":(?:50|60)/.test(line)) complain(line)
        else if (line.includes('"msg":"gatehouse ready"')) {
          resolve(JSON.parse(line))
        }
      })
      child.once('exit', () => reject(new Error(`the gateway did not start: ${complaints.join('\n')}`)))
    }
  )
  return {
    publicUrl,
    adminUrl,
    port,
    complaints,
    isAlive,
    async holdings() {
      try {
        const status = await readFile(`/proc/${child.pid}/status`, 'utf8')
        const descriptors = await readdir(`/proc/${child.pid}/fd`)
        const kb = Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1])
        return { residentMb: Math.round(kb / 1_024), descriptors: descriptors.length }
      } catch {
        return undefined
      }
    },
    async stop() {
      if (isAlive()) {
        const gone = once(child, 'exit')
        child.kill('SIGTERM')
        await gone
      }
      return child.exitCode
    }
  }
}
