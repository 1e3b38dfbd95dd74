import { migrateOnce } from '../../test/support/embedded-database.ts'
import { startTestGateway } from '../../test/support/gateway.ts'
import type { Teardown, TestPostgres } from '../../test/support/postgres.ts'
import { page } from '../contenders/contender.ts'
import { startOwnProgram } from '../processes.ts'
import { cookieOf, forgedCookieOf, secret, sessionStatements } from '../sessions-made.ts'
import { median } from '../statistics.ts'
import { countHeaderCollections, markName } from './header-copies.ts'
import { countPromises } from './promises.ts'
import { countEach } from './requests.ts'

/** What is counted, and so is the same on every machine. Per request. */
export interface Counts {
  readonly queriesWarm: number
  readonly queriesMiss: number
  readonly queriesForged: number
  readonly promisesWarm: number
  readonly headerCollectionsWarm: number
}

const requests = 50

/** Counts on a gateway in this process and a database of its own. Session events are off: they have statements too. */
export async function takeCounts(t: Teardown, postgres: TestPostgres): Promise<Counts> {
  const url = await postgres.createDatabase()
  await migrateOnce({ driver: 'pg', url })
  for (const statement of sessionStatements(requests + 1)) await postgres.query(statement, url)
  const gateway = await startTestGateway(t, {
    upstreamUrl: (await startOwnProgram(t, 'upstream')).url,
    env: {
      DATABASE_URL: url,
      BETTER_AUTH_SECRET: secret,
      SESSION_EVENTS: 'off',
      SESSION_CACHE_TTL: '600',
      LOG_LEVEL: 'info'
    }
  })
  const ask = async (cookie: string, status: number) => {
    const answer = await fetch(gateway.url + page, { headers: { Cookie: cookie } })
    await answer.text()
    if (answer.status !== status) throw new Error(`answered ${answer.status} instead of ${status}`)
  }
  const queries = async (cookie: (n: number) => string, status: number) => {
    const statements = await postgres.statementsDuring(async () => {
      for (let n = 0; n < requests; n++) await ask(cookie(n), status)
    })
    return statements.length / requests
  }

  // The first query of all is preceded by what opens its connection.
  await ask(cookieOf(requests), 200)
  const queriesMiss = await queries(cookieOf, 200)
  const queriesWarm = await queries(cookieOf, 200)
  const queriesForged = await queries(forgedCookieOf, 401)
  const { host } = new URL(gateway.url)
  const request = `GET ${page} HTTP/1.1\r\nHost: ${host}\r\nCookie: ${cookieOf(0)}\r\n${markName}: yes\r\n\r\n`
  // What else goes on in the process now and then is not the request's; what belongs to one happens in most of them.
  const usual = async (start: typeof countPromises) => median(await countEach(gateway.port, request, requests, start))
  return {
    queriesWarm,
    queriesMiss,
    queriesForged,
    promisesWarm: await usual(countPromises),
    headerCollectionsWarm: await usual(countHeaderCollections)
  }
}
