import { randomBytes } from 'node:crypto'
import { hashPassword } from 'better-auth/crypto'
import pg from 'pg'
import { Pool } from 'undici'
import { type WebSocket, WebSocketServer } from 'ws'
import { pluginTables } from '../../auth/plugin-tables.ts'
import { type CookieSigner, createCookieSigner } from '../../auth/signed-cookie.ts'
import { type FuzzedGateway, startFuzzedGateway } from '../fuzz/process.ts'
import { withAdmin } from '../support/admin-plugin.ts'
import { oneOrigin, sessionCookieOn } from '../support/cookie-names.ts'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { migrateOnce } from '../support/embedded-database.ts'
import { startNeonBridge } from '../support/neon-bridge.ts'
import { startPostgres, type Teardown, type TestPostgres } from '../support/postgres.ts'
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'
import { until } from '../support/until.ts'
import { count } from './statistics.ts'

export interface WorldOptions {
  readonly driver: 'pg' | 'neon'
  /** For Neon's driver: whether the proxy stands before the bridge, where WebSockets are, or behind it. */
  readonly beforeBridge: boolean
  readonly ttlSeconds: number
  readonly staleSeconds: number
  readonly refreshing: boolean
}

/** One of the two gateways, and connections to it. */
export interface Replica extends FuzzedGateway {
  /** An address, whatever the public origin is called. */
  readonly url: string
  readonly host: string
  readonly http: Pool
  /** How often each line was logged that tells of a change. */
  readonly told: Readonly<Record<string, number>>
  degraded(): Promise<readonly string[]>
}

/** Two gateways, one database, and a network in between that does as it is told. */
export interface World {
  readonly replicas: readonly [Replica, Replica]
  readonly postgres: TestPostgres
  readonly network: TcpProxy
  readonly signer: CookieSigner
  /** The hash of `password`. */
  readonly passwordHash: string
  readonly password: string
  /** Goes to the database directly, whatever the network does. Rejects while the database is stopped. */
  sql(statement: string, params?: readonly unknown[]): Promise<void>
}

const cookieName = sessionCookieOn(oneOrigin.BETTER_AUTH_URL)
const changes = ['session events are', 'the database']

/** The `Cookie` header of a session with this token. */
export function cookieOf(signer: CookieSigner, token: string): string {
  return `${cookieName}=${signer.sign(token)}`
}

/** The token of a `Cookie` header; empty without one. */
export function tokenOf(cookieHeader: string): string {
  const value = cookieHeader.split('; ').find((pair) => pair.startsWith(`${cookieName}=`)) ?? ''
  return decodeURIComponent(value.slice(cookieName.length + 1)).split('.')[0] ?? ''
}

export async function buildWorld(t: Teardown, options: WorldOptions): Promise<World> {
  const upstream = await startEchoUpstream(t, (request, response) => {
    response.end(String(request.headers['x-user-id'] ?? 'nobody'))
  })
  new WebSocketServer({ server: upstream.server }).on('connection', (socket: WebSocket) => {
    socket.on('message', (data, binary) => socket.send(data, { binary }))
    socket.on('error', () => {})
  })
  const postgres = await startPostgres(t)
  const direct = await postgres.createDatabase('chaos')
  await migrateOnce({ driver: 'pg', url: direct, pluginTables: pluginTables(withAdmin) })

  const proxied = new URL(direct)
  const neon: Record<string, string> = {}
  let network: TcpProxy
  if (options.driver === 'neon' && options.beforeBridge) {
    const bridge = await startNeonBridge(t, postgres.port)
    network = await startTcpProxy(t, Number(bridge.split(':')[1]))
    neon['NEON_WS_PROXY'] = `127.0.0.1:${network.port}`
  } else {
    network = await startTcpProxy(t, postgres.port)
    proxied.port = String(network.port)
    if (options.driver === 'neon') neon['NEON_WS_PROXY'] = await startNeonBridge(t, network.port)
  }

  const secret = randomBytes(32).toString('hex')
  const start = () =>
    startReplica(t, {
      UPSTREAM_URL: upstream.url,
      DATABASE_DRIVER: options.driver,
      DATABASE_URL: proxied.href,
      ...neon,
      BETTER_AUTH_SECRET: secret,
      ...oneOrigin,
      TRUSTED_PROXIES: 'loopback',
      GATEHOUSE_CONFIG: `${import.meta.dirname}/${options.refreshing ? 'refreshing' : 'gatehouse'}.config.ts`,
      SESSION_CACHE_TTL: String(options.ttlSeconds),
      SESSION_STALE_IF_ERROR: String(options.staleSeconds),
      DRAIN_DELAY: '0',
      DRAIN_TIMEOUT: '2'
    })
  const replicas = await Promise.all([start(), start()])
  for (const replica of replicas) await until(async () => (await replica.degraded()).length === 0, 20_000)

  const pool = new pg.Pool({ connectionString: direct, max: 6 })
  pool.on('error', () => {})
  t.teardown(() => pool.end())
  const password = 'correct horse battery'
  return {
    replicas: [replicas[0], replicas[1]],
    postgres,
    network,
    signer: createCookieSigner(secret),
    password,
    passwordHash: await hashPassword(password),
    async sql(statement, params = []) {
      await pool.query(statement, [...params])
    }
  }
}

async function startReplica(t: Teardown, env: Record<string, string>): Promise<Replica> {
  const told: Record<string, number> = {}
  const gateway = await startFuzzedGateway(t, env, (line) => {
    const message = /"msg":"([^":]*)/.exec(line)?.[1] ?? ''
    if (changes.some((change) => message.startsWith(change))) count(told, message)
    // What of BetterAuth's met the faults.
    return message === 'auth'
  })
  const url = `http://127.0.0.1:${gateway.port}`
  const http = new Pool(url, { connections: 256, headersTimeout: 60_000, bodyTimeout: 60_000 })
  t.teardown(() => http.destroy())
  return {
    ...gateway,
    url,
    host: new URL(gateway.publicUrl).host,
    http,
    told,
    async degraded() {
      const report: { degraded?: string[] } = JSON.parse(await (await fetch(`${gateway.adminUrl}/readyz`)).text())
      return report.degraded ?? ['not ready']
    }
  }
}
