import { type Database, openDatabase } from '../../db/database.ts'
import { inspectMigrations } from '../../db/migrate.ts'
import { databaseOptions } from '../database-options.ts'
import { describeDatabaseFailure, identify } from '../failure.ts'
import type { Settings } from '../settings.ts'
import { placeOf } from '../upstream-specs.ts'
import { probeServers } from '../upstreams.ts'

/** What one check found. `skip`: it could not be made now, which is no failure. */
export interface CheckResult {
  verdict: 'ok' | 'FAIL' | 'skip'
  subject: string
  sentence: string
}

/** Tries everything that a gateway of these settings needs, and changes nothing outside its data directory. */
export async function checkGateway(settings: Settings): Promise<CheckResult[]> {
  const { config, policy } = settings
  const mode = config.production ? 'production rules hold' : 'production rules do not hold'
  const rules = policy.routes.length === 1 ? '1 rule' : `${policy.routes.length} rules`
  return [
    ok('configuration', `can be used; ${mode}`),
    ...config.warnings.map((warning) => ok('configuration', `but note: ${warning}`)),
    ok('policy', `${rules}; a request that none of them names needs a session`),
    ...(await checkDatabase(settings)),
    ...(await checkUpstreams(settings))
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
    const { pending, adoptable, differences, obstacles } = await inspectMigrations(database)
    const answers = ok('database', `answers (${database.driver})`)
    if (pending.length === 0) return [answers, ok('migrations', 'up to date')]
    if (obstacles.length > 0)
      return [
        answers,
        ...obstacles.map((obstacle) => fail('migrations', `a plugin's needs cannot be added: ${obstacle}`))
      ]
    if (database.driver === 'pglite')
      return [answers, ok('migrations', `${pending.length} to apply, which start does by itself`)]
    if (adoptable)
      return [
        answers,
        fail('migrations', 'the tables are there, but Gatehouse did not make them: run migrate --adopt'),
        ...differences.map((difference) => fail('migrations', `${difference}; migrate --adopt adds it`))
      ]
    if (differences.length > 0)
      return [answers, ...differences.map((difference) => fail('migrations', `cannot adopt the tables: ${difference}`))]
    return [answers, fail('migrations', `${pending.length} pending (${pending.join(', ')}): run migrate`)]
  } catch (error) {
    return [fail('database', describeDatabaseFailure(error).lines.join(' '))]
  } finally {
    await database.close()
  }
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

function fail(subject: string, sentence: string): CheckResult {
  return { verdict: 'FAIL', subject, sentence }
}
