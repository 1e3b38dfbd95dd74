import { migrateOnce } from '../../test/support/embedded-database.ts'
import { page } from '../contenders/contender.ts'
import { startGateway } from '../gateway.ts'
import { cookieOf, forgedCookieOf, sessionStatements } from '../sessions-made.ts'
import type { Stage } from '../stage.ts'

/** Database queries per request, as the server saw them. */
export interface Queries {
  readonly warm: number
  readonly miss: number
  readonly forged: number
}

const requests = 50

/** Counts them on a database of its own, over 50 requests each; events are off, they have statements of their own. */
export async function queriesOf(stage: Stage): Promise<Queries> {
  const postgres = await stage.postgres()
  const url = await postgres.createDatabase()
  await migrateOnce({ driver: 'pg', url })
  for (const statement of sessionStatements(requests + 1)) await postgres.query(statement, url)
  const gateway = await startGateway(stage.cleanup, {
    DATABASE_URL: url,
    UPSTREAM_URL: (await stage.upstream()).url,
    SESSION_EVENTS: 'off',
    SESSION_CACHE_TTL: '600'
  })
  const ask = async (cookie: string, status: number) => {
    const answer = await fetch(gateway.url + page, { headers: { Cookie: cookie } })
    await answer.text()
    if (answer.status !== status) throw new Error(`answered ${answer.status} instead of ${status}`)
  }
  const count = async (cookie: (n: number) => string, status: number) => {
    const statements = await postgres.statementsDuring(async () => {
      for (let n = 0; n < requests; n++) await ask(cookie(n), status)
    })
    return statements.length / requests
  }
  await ask(cookieOf(requests), 200)
  const miss = await count(cookieOf, 200)
  return { miss, warm: await count(cookieOf, 200), forged: await count(forgedCookieOf, 401) }
}
