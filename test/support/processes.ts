import { readFileSync } from 'node:fs'
import type { Test } from 'tap'
import { type GatewayProcess, startGatewayProcess } from './gateway-process.ts'

/** Where nobody signs in: a database that never answers starts sooner than an embedded one, and takes no memory. */
export const noDatabase = { DATABASE_URL: 'postgres://nobody@127.0.0.1:1/nothing' } as const

/**
 * A gateway process whose policy opens `/public/*`, before this upstream. It has no database: an embedded one would take
 * hundreds of megabytes, in which everything else disappears.
 */
export function startOpenGatewayProcess(
  t: Test,
  upstreamUrl: string,
  env: Record<string, string> = {}
): Promise<GatewayProcess> {
  const folder = t.testdir({
    'policy.ts': "export default { routes: [{ path: '/public/*', access: 'public' }], auth: {} }\n"
  })
  return startGatewayProcess(t, {
    DATA_DIR: `${folder}/data`,
    ...noDatabase,
    GATEHOUSE_CONFIG: `${folder}/policy.ts`,
    UPSTREAM_URL: upstreamUrl,
    ...env
  })
}

/** Whether a process is there. Linux only. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

/** Resident memory of a process in bytes, as the kernel counts it. Linux only; throws elsewhere. */
export function residentBytes(pid: number | undefined): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  if (line === null) throw new Error('the process is gone')
  return Number(line[1]) * 1024
}

/**
 * Watches the resident memory of a process from now on. `grown` stops watching and answers how many bytes more it had at
 * most; `before` is what it has now.
 */
export function watchMemory(
  t: { teardown(work: () => void): void },
  pid: number | undefined
): { readonly before: number; grown(): number } {
  const before = residentBytes(pid)
  let most = before
  const look = () => {
    most = Math.max(most, residentBytes(pid))
  }
  const watch = setInterval(look, 20)
  t.teardown(() => clearInterval(watch))
  return {
    before,
    grown() {
      clearInterval(watch)
      look()
      return most - before
    }
  }
}
