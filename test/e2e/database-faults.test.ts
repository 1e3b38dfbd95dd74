import t, { type Test } from 'tap'
import { type Answer, Browser } from '../support/browser.ts'
import { degraded, eachFaultyDatabase, type FaultyDatabase } from '../support/faults.ts'
import { until } from '../support/until.ts'

/** A way for the database to be away: how it begins and how it is over. */
interface Fault {
  begin(): unknown
  end(): unknown
}

const patience = { connectionTimeoutMs: 600, statementTimeoutMs: 600 }

const faults: Record<string, (database: FaultyDatabase) => Fault> = {
  'the database refuses connections': ({ network }) => ({ begin: () => network.refuse(), end: () => network.heal() }),
  'the database accepts connections and is mute': ({ network }) => ({
    begin: () => network.freeze(),
    end: () => network.heal()
  }),
  'the database is slower than anybody waits': ({ network }) => ({
    begin: () => network.delay(1_000),
    end: () => network.heal()
  }),
  'the database has no connections left': ({ role, sql }) => ({
    async begin() {
      await sql(`alter role ${role} connection limit 0`)
      await sql(`select pg_terminate_backend(pid) from pg_stat_activity where usename = '${role}'`)
    },
    end: () => sql(`alter role ${role} connection limit -1`)
  }),
  'the database crashes': ({ role, sql }) => ({
    async begin() {
      await sql(`alter role ${role} connection limit 0`)
      // Commits do not wait for the disk here, and would be lost.
      await sql('checkpoint')
      // One that is killed takes all others with it, and the server recovers from its log.
      const [backend] = await sql(`select pid from pg_stat_activity where usename = '${role}' limit 1`)
      process.kill(Number(backend?.['pid']), 'SIGKILL')
    },
    async end() {
      await untilAnswered(sql)
      await sql(`alter role ${role} connection limit -1`)
    }
  }),
  'the database is shut down and started': ({ postgres }) => ({
    begin: () => postgres.stop(),
    end: () => postgres.start()
  })
}

await eachFaultyDatabase(t, async (t, database) => {
  const strict = await database.startGateway({ SESSION_CACHE_TTL: '1' }, patience)
  const patient = await database.startGateway({ SESSION_CACHE_TTL: '1', SESSION_STALE_IF_ERROR: '600' }, patience)
  const gateways = [strict, patient]
  const ada = await database.signUp(strict, 'ada')
  const [knownToPatient] = await database.strangers(patient, 1)
  if (knownToPatient === undefined) throw new Error('nobody')

  for (const [name, make] of Object.entries(faults)) {
    await t.test(name, async (t) => {
      const fault = make(database)
      for (const known of [ada, knownToPatient]) {
        await until(async () => (await known.ask('/me')).status === 200)
      }
      const crowd = await database.strangers(strict, 500)
      const late = await Promise.all(gateways.map((gateway) => database.strangers(gateway, 1)))
      await fault.begin()

      const answers = await Promise.all(crowd.map((stranger) => stranger.ask('/me')))
      t.same(statuses(answers), [503], 'five hundred sessions that are not known are refused, and nobody is signed out')
      t.ok(answers.every(isUnavailable), 'each is told when to come again')
      t.equal((await knownToPatient.ask('/me')).status, 200, 'a known one goes on where it may')
      t.equal((await ada.ask('/public/x')).status, 200, 'public routes need no database')

      let answer = await ada.ask('/me')
      await until(async () => {
        answer = await ada.ask('/me')
        return answer.status !== 200
      })
      t.ok(isUnavailable(answer), 'the other is refused when its decision has run out')
      t.ok(isUnavailable(await ada.ask('/optional/x')), 'and not let through as nobody')
      t.ok(isUnavailable(await ada.ask('/api/auth/get-session')), 'nor does BetterAuth say that nobody is signed in')
      t.ok(isUnavailable(await new Browser(strict.url, strict.publicUrl).signIn('ada')), 'or that a password is wrong')
      t.ok(ada.cookies.has(ada.sessionCookie), 'no cookie is cleared')
      t.equal((await knownToPatient.ask('/me')).status, 200)

      await fault.end()
      const ended = Date.now()
      await Promise.all(late.flat().map((stranger) => comesBack(t, stranger)))
      t.comment(`back to normal after ${Date.now() - ended} ms`)
      for (const path of ['/me', '/api/auth/get-session']) await comesBack(t, ada, path)
      for (const gateway of gateways) await until(async () => (await degraded(gateway)).length === 0)
    })
  }
})

async function untilAnswered(sql: FaultyDatabase['sql']): Promise<void> {
  const answered = () =>
    sql('select 1').then(
      () => true,
      () => false
    )
  await until(answered, 60_000)
}

async function comesBack(t: Test, stranger: Browser, path = '/me'): Promise<void> {
  await until(async () => {
    const answer = await stranger.ask(path)
    if (answer.status !== 200 && !isUnavailable(answer)) t.fail(`${answer.status} ${answer.text}`)
    return answer.status === 200
  })
}

function isUnavailable({ status, headers, text }: Answer): boolean {
  return (
    status === 503 &&
    text.includes('SESSION_STORE_UNAVAILABLE') &&
    /^[1-5]$/.test(String(headers['retry-after'])) &&
    headers['set-cookie'] === undefined
  )
}

function statuses(answers: readonly Answer[]): number[] {
  return [...new Set(answers.map(({ status }) => status))]
}
