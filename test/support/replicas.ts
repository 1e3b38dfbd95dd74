import type { Database } from '../../db/database.ts'
import { openDatabase } from '../../db/open-database.ts'
import { oneOrigin } from './cookie-names.ts'
import type { TestDatabase } from './databases.ts'
import { startTestGateway, type TestGateway } from './gateway.ts'
import type { Teardown } from './postgres.ts'
import { until } from './until.ts'

/** Two gateways on one database. */
export interface Replicas {
  readonly here: TestGateway
  readonly there: TestGateway
  readonly database: Database
  /** Starts another one, with more in its environment. */
  start(more?: Record<string, string>): Promise<TestGateway>
  /** What a gateway says that it is without. */
  degraded(gateway: TestGateway): Promise<readonly string[]>
  /** Runs a statement past all of them. */
  sql(statement: string, params?: unknown[]): Promise<{ rows: Record<string, unknown>[] }>
}

/** Starts two replicas that hear the database. Their decisions last ten minutes, so that only an event explains an earlier end. */
export async function startReplicas(
  t: Teardown & { readonly testdirName: string },
  { env, options }: Pick<TestDatabase, 'env' | 'options'>,
  upstreamUrl: string
): Promise<Replicas> {
  const start = (more: Record<string, string> = {}) =>
    startTestGateway(t, {
      upstreamUrl,
      env: {
        ...env,
        DATA_DIR: `${t.testdirName}-${Math.random()}`,
        SESSION_CACHE_TTL: '600',
        BETTER_AUTH_SECRET: 'one secret for all replicas of this test',
        ...oneOrigin,
        ...more
      }
    })
  const degraded = async (gateway: TestGateway) => {
    const answer = await fetch(`${gateway.adminUrl}/readyz`)
    return ((await answer.json()) as { degraded: string[] }).degraded
  }
  const [here, there] = [await start(), await start()]
  for (const gateway of [here, there]) await until(async () => (await degraded(gateway)).length === 0)
  const database = await openDatabase(options)
  t.teardown(() => database.close())
  return {
    here,
    there,
    database,
    start,
    degraded,
    sql: (statement, params = []) => database.withDirectClient((client) => client.query(statement, params))
  }
}
