import { sql } from 'drizzle-orm'
import { z } from 'zod'
import { type MailSettings, reasonOf, trySmtp } from '../../auth/mail/smtp-delivery.ts'
import type { Database } from '../../db/database.ts'
import { PooledConnectionError, SchemaChangedError } from '../../db/database-errors.ts'
import { codeOf } from '../../db/error-code.ts'
import { inspectMigrations } from '../../db/migrate.ts'
import { openDatabase } from '../../db/open-database.ts'
import type { Config } from '../config/environment.ts'
import { loadOrCreateSecret } from '../config/generated-secret.ts'
import { type Settings, warningsOf } from '../config/load-settings.ts'
import { isFolder } from '../config/policy-upstreams.ts'
import { databaseOptions } from '../database-start.ts'
import { describeDatabaseFailure, identify } from '../failure-wording.ts'
import { probeServers } from '../open-upstreams.ts'
import { checkApp, namedServers } from './check-app.ts'
import { type AppFinding, checkFolder } from './swallowed-paths.ts'

/** What one check found. `warn`: it works, but is rarely what an operator wants. `skip`: it cannot be tried now, which is no failure. */
type CheckResult = ReturnType<typeof result>

function result(verdict: 'ok' | 'warn' | 'FAIL' | 'skip', subject: string, sentence: string) {
  return { verdict, subject, sentence }
}

const clockToleranceMs = 3_000

/** Tries everything that a gateway of these settings needs, and changes nothing outside its data directory. */
export async function checkGateway(settings: Settings): Promise<CheckResult[]> {
  const { config, policy } = settings
  const mode = config.production ? 'production rules hold' : 'production rules do not hold'
  const rules = policy.routes.length === 1 ? '1 rule' : `${policy.routes.length} rules`
  return [
    result('ok', 'configuration', `can be used; ${mode}`),
    ...warningsOf(settings).map((warning) => result('warn', 'configuration', warning)),
    result('ok', 'policy', `${rules}; a request that none of them names needs a session`),
    ...(await checkDatabase(settings)),
    ...(await checkUpstreams(settings)),
    ...(await checkMail(policy.mail)),
    ...checkCookies(config)
  ]
}

async function checkDatabase(settings: Settings): Promise<CheckResult[]> {
  try {
    const database = await openDatabase(await databaseOptions(settings))
    try {
      await database.ping()
      const answers = [result('ok', 'database', `answers (${database.driver})`), await checkClock(database)]
      return [...answers, ...(await checkMigrations(database, settings))]
    } finally {
      await database.close()
    }
  } catch (error) {
    // The embedded database belongs to one process: that a gateway runs on it is no failure.
    const verdict = codeOf(error) === 'DATA_DIR_LOCKED' ? 'skip' : 'FAIL'
    return [result(verdict, 'database', describeDatabaseFailure(error).lines.join(' '))]
  }
}

async function checkMigrations(database: Database, settings: Settings): Promise<CheckResult[]> {
  const { pending, adoptable, differences, obstacles, elsewhere } = await inspectMigrations(database)
  const failures = (...sentences: string[]) => sentences.map((sentence) => result('FAIL', 'migrations', sentence))
  if (pending.length === 0) {
    const upToDate = result('ok', 'migrations', 'up to date')
    return [upToDate, ...(await checkEncryption(database, settings)), ...(await checkEvents(database, settings.config))]
  }
  if (elsewhere.length > 0) return failures(new SchemaChangedError(elsewhere.join(', '), database.schemaName).message)
  if (obstacles.length > 0)
    return failures(...obstacles.map((obstacle) => `what a plugin or a field needs cannot be added: ${obstacle}`))
  if (database.driver === 'pglite')
    return [result('ok', 'migrations', `${pending.length} to apply, which start does by itself`)]
  if (adoptable)
    return failures(
      'the tables are there, but Gatehouse did not make them: run migrate --adopt',
      ...differences.map((difference) => `${difference}; migrate --adopt adds it`)
    )
  if (differences.length > 0)
    return failures(
      ...differences.map((difference) => `cannot adopt the tables: ${difference}`),
      "if the tables are another application's, give Gatehouse a schema of its own: DATABASE_SCHEMA=auth"
    )
  return failures(`${pending.length} pending (${pending.join(', ')}): run migrate`)
}

// What another secret has encrypted is lost without it, and shows only when somebody needs it.
async function checkEncryption(database: Database, { config, policy }: Settings): Promise<CheckResult[]> {
  const { countUnopened, encryptedColumns } = await import('../../auth/count-unopened-values.ts')
  if (encryptedColumns(policy.auth).length === 0) return []
  const secret = config.secret ?? (await loadOrCreateSecret(config.dataDir))
  const columns = await countUnopened(database, policy.auth, { secret, previousSecret: config.previousSecret })
  const lost = columns.filter(({ unopened }) => unopened > 0)
  if (lost.length === 0) return [result('ok', 'encryption', 'what BetterAuth has encrypted can be opened')]
  return lost.map(({ what, place, unopened, effect }) => {
    const sentence = `${unopened} ${what} (${place}) were encrypted with another BETTER_AUTH_SECRET: ${effect}. BETTER_AUTH_SECRET_PREVIOUS opens them, if it is that one`
    return result('warn', 'encryption', sentence)
  })
}

async function checkEvents(database: Database, { session }: Config): Promise<CheckResult[]> {
  if (session.events === 'off' || database.driver === 'pglite') return []
  const nobody = () => {}
  try {
    const stop = await database.listen(database.eventChannel, nobody, nobody)
    await stop()
    return [result('ok', 'session events', 'are heard')]
  } catch (error) {
    // The configuration has a warning about this already.
    if (error instanceof PooledConnectionError) return []
    const verdict = session.events === 'listen' ? 'FAIL' : 'warn'
    const [sentence = ''] = describeDatabaseFailure(error).lines
    return [result(verdict, 'session events', `are not heard. ${sentence}`)]
  }
}

const clockRows = z.object({ rows: z.tuple([z.object({ now: z.coerce.number() })]) })

async function checkClock({ db }: Database): Promise<CheckResult> {
  const sent = Date.now()
  const answer = await db.execute(sql`select (extract(epoch from clock_timestamp()) * 1000)::text as now`)
  const [{ now: theirs }] = clockRows.parse(answer).rows
  const received = Date.now()
  // The database read its clock at some moment between the two; only a time outside of them shows a difference.
  const offMs = Math.max(theirs - received, sent - theirs, 0)
  if (offMs < clockToleranceMs) return result('ok', 'clock', "the gateway's and the database's agree")
  const sentence = `the gateway's and the database's differ by ${Math.round(offMs / 1_000)} s: sessions begin and end by the gateway's. Set both by NTP`
  return result('warn', 'clock', sentence)
}

/** Signs in at the server that takes mails, and sends none. */
async function checkMail(mail: MailSettings | undefined): Promise<CheckResult[]> {
  if (mail === undefined) return []
  try {
    await trySmtp(mail)
    return [result('ok', 'mail', 'the server takes mails')]
  } catch (error) {
    return [result('FAIL', 'mail', `the server cannot be used (${reasonOf(error)})`)]
  }
}

function checkCookies({ publicUrl, trustedProxies }: Config): CheckResult[] {
  if (publicUrl?.startsWith('https:') !== true)
    return [result('ok', 'cookies', 'for http on this machine: HttpOnly and SameSite=Lax, not Secure')]
  const safe = 'Secure and __Host-: browsers send them over https, to the host of BETTER_AUTH_URL alone'
  const behind =
    'BETTER_AUTH_URL is https and the gateway speaks http: something in front has to end TLS. With TRUSTED_PROXIES unset it is taken for the client, so that everybody shares its rate limits'
  return [result('ok', 'cookies', safe), ...(trustedProxies.length > 0 ? [] : [result('warn', 'proxies', behind)])]
}

async function checkUpstreams(settings: Settings): Promise<CheckResult[]> {
  const named = new Map(namedServers(settings))
  const servers = probeServers(settings).map(async ([place, probe]) => {
    const isDefault = place === 'UPSTREAM_URL'
    const subject = isDefault ? 'upstream' : place
    try {
      await probe
    } catch (error) {
      const hint = isDefault ? 'is FastAPI running where UPSTREAM_URL says?' : 'is it running there?'
      return [result('FAIL', subject, `cannot be reached (${identify(error)}): ${hint}`)]
    }
    const app = await checkApp(settings, named.get(place) ?? settings.config.upstream, isDefault)
    return [result('ok', subject, 'accepts connections'), ...app.map(resultAbout(subject))]
  })
  // A folder that cannot be read is a problem of the policy file, which has been loaded.
  const folders = Object.entries(settings.policy.upstreams).flatMap(([name, spec]) => {
    if (!isFolder(spec)) return []
    const subject = `upstreams.${name}`
    const hidden = checkFolder(settings, spec.directory).map(resultAbout(subject))
    return [result('ok', subject, 'is a folder that can be read'), ...hidden]
  })
  return [...(await Promise.all(servers)).flat(), ...folders]
}

function resultAbout(subject: string): (finding: AppFinding) => CheckResult {
  return ({ verdict, sentence }) => result(verdict, subject, sentence)
}
