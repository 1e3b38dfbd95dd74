import { randomBytes } from 'node:crypto'
import { request as ask } from 'undici'
import { migrate } from '../../db/migrate.ts'
import { openDatabase } from '../../db/open-database.ts'
import { falsehoods, type Seen } from '../property/principal.ts'
import { Browser } from '../support/browser.ts'
import { startPostgres, type Teardown } from '../support/postgres.ts'
import { until } from '../support/until.ts'
import { startUvicorn } from '../support/uvicorn.ts'
import { converse } from './connection.ts'
import { type Holdings, startFuzzedGateway } from './process.ts'
import { createRandom } from './random.ts'
import { mutated, seedsFor } from './requests.ts'

export interface FuzzOptions {
  readonly seconds: number
  /** Connections, if that is reached sooner. */
  readonly most: number
  readonly seed: number
}

export interface FuzzReport {
  readonly seed: number
  readonly connections: number
  /** Requests that reached FastAPI. */
  readonly arrived: number
  /** How often each status was answered. */
  readonly statuses: Readonly<Record<string, number>>
  readonly before: Holdings | undefined
  readonly after: Holdings | undefined
  /** What must not happen, and did. */
  readonly findings: readonly string[]
}

const connectionsAtOnce = 16
const mostFindings = 20
const connectionLimitMs = 4_000
const grownMb = 100
const grownDescriptors = 10

/**
 * Sends mutated requests to a gateway process in front of a real uvicorn, among requests of a user who is signed in, and
 * holds it to this: nobody else is shown the user's page or sent on in the user's name, every clean request gets its own
 * answer, and at the end the process is as it was.
 */
export async function fuzz(t: Teardown, { seconds, most, seed }: FuzzOptions): Promise<FuzzReport> {
  const random = createRandom(seed)
  const controlKey = randomBytes(16).toString('hex')
  const canary = `canary-${randomBytes(16).toString('hex')}`
  const uvicorn = await startUvicorn(t, {
    app: 'witness:app',
    dir: `${import.meta.dirname}/../property/app`,
    env: { CONTROL_KEY: controlKey, CANARY: canary, FORWARDED_ALLOW_IPS: '' },
    args: ['--lifespan', 'off', '--no-access-log']
  })
  const postgres = await startPostgres(t)
  const databaseUrl = await postgres.createDatabase()
  const database = await openDatabase({ driver: 'pg', url: databaseUrl })
  await migrate(database)
  await database.close()
  const gateway = await startFuzzedGateway(t, {
    UPSTREAM_URL: uvicorn.url,
    DATABASE_URL: databaseUrl,
    BETTER_AUTH_SECRET: randomBytes(32).toString('hex'),
    GATEHOUSE_CONFIG: `${import.meta.dirname}/gatehouse.config.ts`,
    MAX_BODY_BYTES: '1000000',
    UPSTREAM_TIMEOUT: '5',
    CLIENT_TIMEOUT: '2',
    DRAIN_DELAY: '0',
    DRAIN_TIMEOUT: '2'
  })
  const host = new URL(gateway.publicUrl).host
  const origin = `http://127.0.0.1:${gateway.port}`
  const browser = new Browser(origin, gateway.publicUrl)
  const { user } = (await browser.signUp('ada')).json() as { user: { id: string; email: string } }
  const told = { id: user.id, email: user.email, verified: false }

  const findings: string[] = []
  const find = (finding: string) => {
    if (findings.length < mostFindings) findings.push(finding)
  }
  const statuses: Record<string, number> = {}
  const count = (status: string | number) => {
    statuses[status] = (statuses[status] ?? 0) + 1
  }
  const isWell = () => gateway.isAlive() && gateway.complaints.length === 0
  // What was under way when the gateway complained, if it did.
  const latest: string[] = []
  let connections = 0
  let arrived = 0
  let marks = 0
  const mark = randomBytes(8).toString('hex')

  async function sendMutated(): Promise<void> {
    const bytes = mutated(seeds, random)
    if (isWell()) latest.push(bytes.toString('base64').slice(0, 4_000))
    if (latest.length > 2 * connectionsAtOnce) latest.shift()
    const { received } = await converse(gateway.port, bytes, random, connectionLimitMs)
    const sent = () =>
      JSON.stringify({ sent: bytes.toString('base64').slice(0, 4_000), received: received.slice(0, 600) })
    if (received.includes(canary)) find(`a private answer to nobody: ${sent()}`)
    for (const [, status = ''] of received.matchAll(/^HTTP\/1\.1 (\d{3}) /gm)) {
      count(status)
      // uvicorn is well and nobody has stopped the database.
      if (/^5/.test(status) && !asksFor5xx(bytes)) find(`${status}: ${sent()}`)
    }
  }

  async function sendClean(): Promise<void> {
    marks++
    const probe = `${mark}${marks}`
    const signedIn = random.chance(0.5)
    const path = `/${signedIn ? 'session' : 'public'}/ok?${signedIn ? 'user' : 'probe'}=${probe}`
    const answer = await browser.ask(path, signedIn ? {} : { headers: { cookie: 'theme=dark' } })
    const right = answer.status === 200 && answer.text.includes(probe) && answer.text.includes(canary) === signedIn
    if (!right) find(`a clean request for ${path} got ${answer.status} ${answer.text.slice(0, 300)}`)
  }

  async function readWitness(): Promise<void> {
    const response = await ask(`${uvicorn.url}/__witness`, { headers: { 'x-control-key': controlKey } })
    for (const seen of (await response.body.json()) as Seen[]) {
      arrived++
      const isUser = seen.target.includes(`?user=${mark}`)
      const problems = falsehoods(seen, { user: isUser ? told : null, clientAddress: '127.0.0.1', host })
      if (seen.target.startsWith('/session') && !isUser) problems.push('nobody was signed in')
      if (seen.target.startsWith('/deny')) problems.push('it was denied')
      if (problems.length > 0) find(`FastAPI received ${problems.join(', ')}: ${JSON.stringify(seen).slice(0, 2_000)}`)
    }
  }

  const seeds = seedsFor(host)
  for (let i = 0; i < 300; i++) await sendClean()
  await readWitness()
  const before = await gateway.holdings()

  const deadline = Date.now() + seconds * 1_000
  const isOver = () => Date.now() > deadline || connections >= most || !isWell()
  async function work(): Promise<void> {
    while (!isOver()) {
      connections++
      await (random.chance(0.1) ? sendClean() : sendMutated()).catch((error) => find(String(error)))
      if (connections % 200 === 0) await readWitness()
    }
  }
  await Promise.all(Array.from({ length: connectionsAtOnce }, work))
  await readWitness()

  let after = await gateway.holdings()
  if (before !== undefined) {
    const isIdle = async () => {
      after = await gateway.holdings()
      return after !== undefined && after.descriptors <= before.descriptors + grownDescriptors
    }
    await until(isIdle, 60_000).catch(() => find(`descriptors: ${before.descriptors}, then ${after?.descriptors}`))
    if ((after?.residentMb ?? 0) > before.residentMb + grownMb)
      find(`MiB: ${before.residentMb}, then ${after?.residentMb}`)
  }
  await sendClean().catch((error) => find(`at the end: ${error}`))
  const status = await gateway.stop()
  // Whatever else was found may have followed from these.
  findings.unshift(...gateway.complaints.map((complaint) => `it complained: ${complaint.slice(0, 1_000)}`))
  if (gateway.complaints.length > 0) findings.push(`it had been sent ${latest.join(' ')}`)
  if (status !== 0) findings.unshift(`it exited with ${status}`)
  return { seed, connections, arrived, statuses, before, after, findings }
}

function asksFor5xx(bytes: Buffer): boolean {
  return /\/error\/5\d\d/.test(bytes.toString('latin1'))
}
