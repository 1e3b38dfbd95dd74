import { sql } from 'drizzle-orm'
import { z } from 'zod'
import type { Database } from '../../db/database.ts'
import { PooledConnectionError } from '../../db/errors.ts'
import { inspectMigrations } from '../../db/migrate.ts'
import { openDatabase } from '../../db/open-database.ts'
import { warningsOf } from '../announce.ts'
import type { Config } from '../config.ts'
import { databaseOptions } from '../database-start.ts'
import { describeDatabaseFailure, identify } from '../failure.ts'
import type { Settings } from '../settings.ts'
import { placeOf } from '../upstream-specs.ts'
import { probeServers } from '../upstreams.ts'

/** What one check found. `warn`: works, and is rarely meant. `skip`: it could not be made now, which is no failure. */
export interface CheckResult {
  verdict: 'ok' | 'warn' | 'FAIL' | 'skip'
  subject: string
  sentence: string
}

const clockToleranceMs = 3_000

/** Tries everything that a gateway of these settings needs, and changes nothing outside its data directory. */
export async function checkGateway(settings: Settings): Promise<CheckResult[]> {
  const { config, policy } = settings
  const mode = config.production ? 'production rules hold' : 'production rules do not hold'
  const rules = policy.routes.length === 1 ? '1 rule' : `${policy.routes.length} rules`
  return [
    ok('configuration', `can be used; ${mode}`),
    ...warningsOf(settings).map((warning) => warn('configuration', warning)),
    ok('policy', `${rules}; a request that none of them names needs a session`),
    ...(await checkDatabase(settings)),
    ...(await checkUpstreams(settings)),
    ...checkCookies(config)
  ]
}

async function checkDatabase(settings: Settings): Promise<CheckResult[]> {
  let database: Database
  try {
    database = await openDatabase(await databaseOptions(settings))
  } catch (error) {
    const failure = describeDatabaseFailure(error)
    // The embedded database has one owner; a gateway that runs on it is no fault to report.
    const locked = error instanceof Error && 'code' in error && error.code === 'DATA_DIR_LOCKED'
    return [{ verdict: locked ? 'skip' : 'FAIL', subject: 'database', sentence: failure.lines.join(' ') }]
  }
  try {
    await database.ping()
    const clock = await checkClock(database)
    const { pending, adoptable, differences, obstacles } = await inspectMigrations(database)
    const answers = [ok('database', `answers (${database.driver})`), clock]
    if (pending.length === 0)
      return [...answers, ok('migrations', 'up to date'), ...(await checkEvents(database, settings.config))]
    if (obstacles.length > 0)
      return [
        ...answers,
        ...obstacles.map((obstacle) => fail('migrations', `a plugin's needs cannot be added: ${obstacle}`))
      ]
    if (database.driver === 'pglite')
      return [...answers, ok('migrations', `${pending.length} to apply, which start does by itself`)]
    if (adoptable)
      return [
        ...answers,
        fail('migrations', 'the tables are there, but Gatehouse did not make them: run migrate --adopt'),
        ...differences.map((difference) => fail('migrations', `${difference}; migrate --adopt adds it`))
      ]
    if (differences.length > 0)
      return [
        ...answers,
        ...differences.map((difference) => fail('migrations', `cannot adopt the tables: ${difference}`))
      ]
    return [...answers, fail('migrations', `${pending.length} pending (${pending.join(', ')}): run migrate`)]
  } catch (error) {
    return [fail('database', describeDatabaseFailure(error).lines.join(' '))]
  } finally {
    await database.close()
  }
}

async function checkEvents(database: Database, { session }: Config): Promise<CheckResult[]> {
  if (session.events === 'off' || database.driver === 'pglite') return []
  const nobody = () => {}
  try {
    const stop = await database.listen('gatehouse', nobody, nobody)
    await stop()
    return [ok('session events', 'are heard')]
  } catch (error) {
    // Of which the configuration has warned.
    if (error instanceof PooledConnectionError) return []
    const verdict = session.events === 'listen' ? 'FAIL' : 'warn'
    const [sentence = ''] = describeDatabaseFailure(error).lines
    return [{ verdict, subject: 'session events', sentence: `are not heard. ${sentence}` }]
  }
}

const clockRows = z.object({ rows: z.tuple([z.object({ now: z.coerce.number() })]) })

async function checkClock({ db }: Database): Promise<CheckResult> {
  const sent = Date.now()
  const answer = await db.execute(sql`select (extract(epoch from clock_timestamp()) * 1000)::text as now`)
  const [{ now: theirs }] = clockRows.parse(answer).rows
  const received = Date.now()
  // The answer was made at some moment between the two; only what no such moment explains is a difference.
  const offMs = Math.max(theirs - received, sent - theirs, 0)
  if (offMs < clockToleranceMs) return ok('clock', "the gateway's and the database's agree")
  const sentence = `the gateway's and the database's differ by ${Math.round(offMs / 1_000)} s: sessions begin and end by the gateway's. Set both by NTP`
  return warn('clock', sentence)
}

function checkCookies({ publicUrl, trustedProxies }: Config): CheckResult[] {
  if (publicUrl?.startsWith('https:') !== true)
    return [ok('cookies', 'for http on this machine: HttpOnly and SameSite=Lax, not Secure')]
  const cookies = ok(
    'cookies',
    'Secure and __Host-: browsers send them over https, to the host of BETTER_AUTH_URL alone'
  )
  if (trustedProxies.length > 0) return [cookies]
  return [
    cookies,
    warn(
      'proxies',
      'BETTER_AUTH_URL is https and the gateway speaks http: something in front has to end TLS. With TRUSTED_PROXIES unset it is taken for the client, so that everybody shares its rate limits'
    )
  ]
}

async function checkUpstreams(settings: Settings): Promise<CheckResult[]> {
  const servers = probeServers(settings).map(async ([place, probe]) => {
    const subject = place === 'UPSTREAM_URL' ? 'upstream' : place
    try {
      await probe
      return ok(subject, 'accepts connections')
    } catch (error) {
      const hint = place === 'UPSTREAM_URL' ? 'is FastAPI running where UPSTREAM_URL says?' : 'is it running there?'
      return fail(subject, `cannot be reached (${identify(error)}): ${hint}`)
    }
  })
  // Loading the policy file has tried them.
  const folders = Object.entries(settings.policy.upstreams).flatMap(([name, spec]) =>
    typeof spec === 'object' && 'directory' in spec ? [ok(placeOf(name), 'is a folder that can be read')] : []
  )
  return [...(await Promise.all(servers)), ...folders]
}

function ok(subject: string, sentence: string): CheckResult {
  return { verdict: 'ok', subject, sentence }
}

function warn(subject: string, sentence: string): CheckResult {
  return { verdict: 'warn', subject, sentence }
}

function fail(subject: string, sentence: string): CheckResult {
  return { verdict: 'FAIL', subject, sentence }
}
