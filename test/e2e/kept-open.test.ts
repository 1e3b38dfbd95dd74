import t, { type Test } from 'tap'
import { pluginTables } from '../../auth/plugin-tables.ts'
import { createSessionEvents } from '../../auth/session-event-listener.ts'
import type { SessionResolver } from '../../auth/session-resolver.ts'
import type { Identity } from '../../auth/session-verdict.ts'
import { openDatabase } from '../../db/open-database.ts'
import { createAuthServices } from '../../src/auth-services.ts'
import { readConfig } from '../../src/config/environment.ts'
import { createLogger } from '../../src/logging/logger.ts'
import { defineConfig } from '../../src/policy-file.ts'
import { adminDatabase, withAdmin } from '../support/admin-plugin.ts'
import { Browser } from '../support/browser.ts'
import { oneOrigin } from '../support/cookie-names.ts'
import { eachDatabase, type TestDatabase } from '../support/databases.ts'
import { startTestGateway } from '../support/gateway.ts'
import { until } from '../support/until.ts'

const secret = 'one secret for all replicas of this test'
const policy = defineConfig({ auth: withAdmin })
const publicUrl = oneOrigin.BETTER_AUTH_URL

/** The sessions of one more replica. Decisions last for ten minutes, so that with events nothing else explains an end. */
async function startReplica(t: Test, { env, options }: TestDatabase, hears: boolean) {
  const config = readConfig({ ...env, SESSION_CACHE_TTL: hears ? '600' : '1' }, process.cwd())
  const database = await openDatabase({ ...options, pluginTables: pluginTables(withAdmin) })
  t.teardown(() => database.close())
  const log = createLogger('silent', { write() {} })
  const sessionEvents = hears ? createSessionEvents({ database, log }) : undefined
  const made = await createAuthServices({
    config,
    policy,
    publicUrl,
    secret,
    database,
    log,
    sessionEvents
  })
  t.teardown(() => made.live.stop())
  sessionEvents?.start(made.sessions)
  t.teardown(() => sessionEvents?.stop())
  if (sessionEvents !== undefined) await until(() => sessionEvents.listening)
  return made
}

await eachDatabase(
  t,
  async (t, database) => {
    const sql = await adminDatabase(t, database)
    const gateway = await startTestGateway(t, {
      policy,
      env: { ...database.env, ...oneOrigin, DATA_DIR: `${t.testdirName}-${Math.random()}`, BETTER_AUTH_SECRET: secret }
    })
    const replicas = {
      'with session events': await startReplica(t, database, true),
      'without them': await startReplica(t, database, false)
    }

    for (const [how, { sessions, sessionCookie }] of Object.entries(replicas)) {
      let people = 0
      /** Somebody who is signed in, with one connection that ends with the session and one that is kept open. */
      const connected = async () => {
        const name = `${how.replaceAll(' ', '-')}-${people++}`
        const browser = new Browser(gateway.url, gateway.publicUrl)
        await browser.signUp(name)
        const identity = await identityOf(sessions, browser.cookies.get(sessionCookie) ?? '', browser.cookieHeader)
        const ended = { tied: 0, kept: 0 }
        sessions.tie(identity, () => ended.tied++)
        sessions.tie(identity, () => ended.kept++, { keepOpen: true })
        const as = (statement: string) => sql(statement, [`${name}@example.com`])
        return { browser, identity, ended, as }
      }
      const endings = {
        'a sign-out': async ({ browser }: { browser: Browser }) => void (await browser.signOut()),
        'a session deleted by SQL': ({ as }: { as: (statement: string) => Promise<unknown> }) =>
          as('delete from session where user_id = (select id from "user" where email = $1)')
      }
      const goodbyes = {
        'a ban': 'update "user" set banned = true where email = $1',
        'the end of the user': 'delete from "user" where email = $1'
      }

      for (const [ending, end] of Object.entries(endings)) {
        t.test(`${how}, what is kept open outlasts ${ending}, and ends with a ban that comes later`, async (t) => {
          const person = await connected()
          await end(person)
          await until(() => person.ended.tied === 1)
          // Tied now, it finds no session any more.
          sessions.tie(person.identity, () => person.ended.kept++, { keepOpen: true })
          // A name that changes has the user read, and nothing ended.
          await person.as(`update "user" set name = 'Another' where email = $1`)
          const other = await connected()
          await end(other)
          await until(() => other.ended.tied === 1)
          t.same(person.ended, { tied: 1, kept: 0 })
          await person.as('update "user" set banned = true where email = $1')
          await until(() => person.ended.kept === 2)
          t.same(other.ended, { tied: 1, kept: 0 }, 'another person goes on')
        })
      }

      for (const [goodbye, statement] of Object.entries(goodbyes)) {
        t.test(`${how}, nothing outlasts ${goodbye}, whenever it was tied`, async (t) => {
          const person = await connected()
          await person.as(statement)
          await until(() => person.ended.kept === 1 && person.ended.tied === 1)
          sessions.tie(person.identity, () => person.ended.kept++, { keepOpen: true })
          await until(() => person.ended.kept === 2)
          t.same(person.ended, { tied: 1, kept: 2 })
        })
      }

      t.test(`${how}, a ban whose time is over ends nothing`, async (t) => {
        const [person, other] = [await connected(), await connected()]
        await person.as(`update "user" set banned = true, ban_expires = now() - interval '1 minute' where email = $1`)
        await other.as(`update "user" set banned = true, ban_expires = now() + interval '1 hour' where email = $1`)
        await until(() => other.ended.kept === 1)
        t.same(person.ended, { tied: 0, kept: 0 })
      })
    }
  },
  ['pg', 'neon']
)

async function identityOf(sessions: SessionResolver, cookie: string, header: string): Promise<Identity> {
  const verdict = await sessions.resolve(cookie, header)
  if (verdict.outcome !== 'identified') throw new Error(`nobody is signed in: ${verdict.outcome}`)
  return verdict.identity
}
