import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import type { Test } from 'tap'
import { Client } from 'undici'
import { migrateOnce } from './embedded-database.ts'
import { type GatewayProcess, startGatewayProcess } from './gateway-process.ts'
import { startPostgres } from './postgres.ts'
import { until } from './until.ts'

/** A migrated database of the test's own, on a real server. */
export async function migratedDatabase(t: Test): Promise<string> {
  const url = await (await startPostgres(t)).createDatabase()
  await migrateOnce({ driver: 'pg', url })
  return url
}

/** A gateway of two workers on a database of its own, which logs every request. */
export async function startTwoWorkers(
  t: Test,
  upstreamUrl: string,
  env: Record<string, string> = {}
): Promise<GatewayProcess> {
  // Not `t.testdir()`, which may hold what the test itself keeps.
  const dataDir = await mkdtemp(`${tmpdir()}/gatehouse-test-`)
  t.teardown(() => rm(dataDir, { recursive: true, force: true }))
  return startGatewayProcess(t, {
    WORKERS: '2',
    DATABASE_URL: env['DATABASE_URL'] ?? (await migratedDatabase(t)),
    DATA_DIR: dataDir,
    UPSTREAM_URL: upstreamUrl,
    LOG_LEVEL: 'debug',
    TRUSTED_PROXIES: 'loopback',
    DRAIN_DELAY: '0',
    ...env
  })
}

/** The processes that a process has started and that are alive. Linux only. */
export function childrenOf(pid: number | undefined): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
    return text === '' ? [] : text.split(' ').map(Number)
  } catch {
    return []
  }
}

/** Which worker answered the request of this id, as the log says. */
export async function workerOf({ stdout }: Pick<GatewayProcess, 'stdout'>, requestId: unknown): Promise<number> {
  const line = new RegExp(`^.*"worker":(\\d+),"requestId":"${String(requestId)}".*$`, 'm')
  await until(() => line.test(stdout()))
  return Number(line.exec(stdout())?.[1])
}

interface AskOptions {
  method?: 'GET' | 'POST'
  headers?: Record<string, string>
}

/** One connection that is kept alive. */
export interface Line {
  /** The worker at its other end. */
  readonly worker: number
  ask(path: string, options?: AskOptions): Promise<{ status: number; text: string }>
}

/** A connection to each of two workers, closed with the test. */
export async function lineToEach(t: Test, gateway: GatewayProcess): Promise<Line[]> {
  const lines = new Map<number, Line>()
  for (let tries = 0; lines.size < 2 && tries < 20; tries++) {
    const client = new Client(gateway.publicUrl, { keepAliveTimeout: 60_000, keepAliveMaxTimeout: 60_000 })
    t.teardown(() => client.destroy())
    const ask = async (path: string, { method = 'GET', headers = {} }: AskOptions = {}) => {
      const origin = method === 'GET' ? {} : { origin: gateway.publicUrl }
      const response = await client.request({ method, path, headers: { ...origin, ...headers } })
      return { status: response.statusCode, headers: response.headers, text: await response.body.text() }
    }
    const { headers } = await ask('/api/auth/ok')
    const worker = await workerOf(gateway, headers['x-request-id'])
    if (lines.has(worker)) await client.close()
    else lines.set(worker, { worker, ask })
  }
  return [...lines.values()]
}
