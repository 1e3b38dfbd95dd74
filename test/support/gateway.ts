import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import type { DatabaseOptions } from '../../db/database.ts'
import { compileRules } from '../../proxy/route-rules.ts'
import { readConfig } from '../../src/config/environment.ts'
import { reservedPaths } from '../../src/config/load-settings.ts'
import { type Development, type Gateway, startGateway } from '../../src/gateway.ts'
import { createLogger } from '../../src/logging/logger.ts'
import { defineConfig, ownPathsOf, type PolicyConfig } from '../../src/policy-file.ts'
import { makeEmbedded } from './embedded-database.ts'
import type { Teardown } from './postgres.ts'

export interface TestGatewayOptions {
  /** Where FastAPI, or whatever stands for it, listens. */
  upstreamUrl?: string
  /** Added to an environment that starts an embedded database in a directory of the test's. */
  env?: Record<string, string>
  policy?: Partial<PolicyConfig>
  /** What `gatehouse dev` adds. */
  development?: Development
  /** What no variable says about the database. */
  database?: Pick<DatabaseOptions, 'connectionTimeoutMs' | 'statementTimeoutMs' | 'poolSize' | 'waitingMax'>
}

export interface TestGateway extends Gateway {
  /** Where it listens: an address, whatever the public origin is called. */
  readonly url: string
  readonly port: number
  /** Everything that was logged, as text. */
  readonly logged: () => string
}

/**
 * A whole gateway in this process, on free ports, closed with the test. It believes `X-Forwarded-For` of this machine,
 * so that a test can be many clients. The policy lets `/public/*` through, `/optional/*` optionally, and denies `/deny/*`.
 */
export async function startTestGateway(t: Teardown, options: TestGatewayOptions = {}): Promise<TestGateway> {
  const env = {
    PORT: '0',
    ADMIN_PORT: '0',
    // Not `t.testdir()`, which a second gateway of the same test would empty under the first.
    DATA_DIR: options.env?.['DATA_DIR'] ?? (await makeDataDir(t, options.env?.['DATABASE_URL'] === undefined)),
    TRUSTED_PROXIES: 'loopback',
    DRAIN_DELAY: '0',
    DRAIN_TIMEOUT: '1',
    LOG_LEVEL: 'debug',
    // All of a test's clients may come from one address.
    LIVE_CONNECTIONS_PER_ADDRESS: '10000',
    LIVE_CONNECTIONS_PER_SESSION: '10000',
    ...(options.upstreamUrl === undefined ? {} : { UPSTREAM_URL: options.upstreamUrl }),
    ...options.env
  }
  const read = readConfig(env, process.cwd())
  const config = { ...read, database: { ...read.database, ...options.database } }
  const policy = defineConfig(
    options.policy ?? {
      routes: [
        { path: '/public/*', access: 'public' },
        { path: '/optional/*', access: 'optional' },
        { path: '/deny/*', access: 'deny' }
      ]
    }
  )
  const { routes, problems } = compileRules(policy.routes, reservedPaths(config, ownPathsOf(policy)))
  if (problems.length > 0) throw new Error(problems.join('\n'))

  let logged = ''
  const log = createLogger(config.logLevel, {
    write(text) {
      logged += text
    }
  })
  const onFatal = (error: Error) => {
    throw error
  }
  const gateway = await startGateway({ config, policy, routes }, log, onFatal, undefined, options.development)
  t.teardown(() => gateway.close({ delayMs: 0, timeoutMs: 100 }))
  return { ...gateway, url: `http://127.0.0.1:${gateway.port}`, logged: () => logged }
}

// Where another database serves, only the generated secret is kept there.
async function makeDataDir(t: Teardown, embedded: boolean): Promise<string> {
  if (embedded) return makeEmbedded(t)
  const dataDir = await mkdtemp(`${tmpdir()}/gatehouse-test-`)
  t.teardown(() => rm(dataDir, { recursive: true, force: true }))
  return dataDir
}
