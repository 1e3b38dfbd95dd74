import { connect, type Socket } from 'node:net'
import { migrateOnce } from '../../test/support/embedded-database.ts'
import { startTestGateway, type TestGateway } from '../../test/support/gateway.ts'
import type { Teardown, TestPostgres } from '../../test/support/postgres.ts'
import { page } from '../contenders/contender.ts'
import { startOwnProgram } from '../processes.ts'
import { cookieOf, forgedCookieOf, secret, sessionStatements } from '../sessions-made.ts'
import { median } from '../statistics.ts'
import { countHeaderCollections, markName } from './header-copies.ts'
import { countPromises } from './promises.ts'
import { countEach } from './requests.ts'
import { countSteps } from './steps.ts'

/** What is counted, and so is the same on every machine. Per request. */
export interface Counts {
  readonly queriesWarm: number
  readonly queriesMiss: number
  readonly queriesForged: number
  readonly promisesWarm: number
  readonly headerCollectionsWarm: number
  /** Blocks of code that run for a request, with so many event streams open beside it. */
  readonly stepsWarm: number
  readonly stepsAmongStreams: number
}

const requests = 50
/** Event streams that are open while steps are counted. */
export const streams = 500

/** Counts on a gateway in this process and a database of its own. Session events are off: they have statements too. */
export async function takeCounts(t: Teardown, postgres: TestPostgres): Promise<Counts> {
  const steps = countSteps()
  t.teardown(() => steps.stop())
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
  const queries = async (cookie: typeof forgedCookieOf, status: number) => {
    const statements = await postgres.statementsDuring(async () => {
      for (let n = 0; n < requests; n++) await ask(cookie(n, gateway.url), status)
    })
    return statements.length / requests
  }

  // The first query of all is preceded by what opens its connection.
  await ask(cookieOf(requests, gateway.url), 200)
  const queriesMiss = await queries(cookieOf, 200)
  const queriesWarm = await queries(cookieOf, 200)
  const queriesForged = await queries(forgedCookieOf, 401)
  const { host } = new URL(gateway.url)
  const request = `GET ${page} HTTP/1.1\r\nHost: ${host}\r\nCookie: ${cookieOf(0, gateway.url)}\r\n${markName}: yes\r\n\r\n`
  // What else goes on in the process now and then is not the request's; what belongs to one happens in most of them.
  const usual = async (start: typeof countPromises) => median(await countEach(gateway.port, request, requests, start))
  const countOn = () => ({
    get count() {
      return steps.count
    },
    stop() {}
  })
  const stepsWarm = await usual(countOn)
  const open = await Promise.all(Array.from({ length: streams }, () => openStream(gateway)))
  for (const socket of open) t.teardown(() => socket.destroy())
  const stepsAmongStreams = await usual(countOn)
  return {
    queriesWarm,
    queriesMiss,
    queriesForged,
    promisesWarm: await usual(countPromises),
    headerCollectionsWarm: await usual(countHeaderCollections),
    stepsWarm,
    stepsAmongStreams
  }
}

function openStream({ port, url }: Pick<TestGateway, 'port' | 'url'>): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () =>
      socket.write(`GET /stream HTTP/1.1\r\nHost: ${new URL(url).host}\r\nCookie: ${cookieOf(0, url)}\r\n\r\n`)
    )
    socket.on('error', reject)
    socket.once('data', (chunk) => {
      if (chunk.toString('latin1').startsWith('HTTP/1.1 200 ')) resolve(socket.resume())
      else reject(new Error(`a stream was answered ${chunk.toString('latin1').slice(0, 40)}`))
    })
  })
}
