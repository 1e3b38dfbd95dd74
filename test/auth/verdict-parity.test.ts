import { admin } from 'better-auth/plugins'
import t from 'tap'
import { adminColumns } from '../../auth/admin-plugin-columns.ts'
import { createAuth } from '../../auth/better-auth.ts'
import { LiveSessions } from '../../auth/end-live-connections.ts'
import { createPasswordHashLimit } from '../../auth/password-hash-limit.ts'
import { pluginTables } from '../../auth/plugin-tables.ts'
import { createRateLimits } from '../../auth/rate-limit.ts'
import { createSessionResolver } from '../../auth/session-resolver.ts'
import { createCookieSigner } from '../../auth/signed-cookie.ts'
import { migrate } from '../../db/migrate.ts'
import { openDatabase } from '../../db/open-database.ts'
import { createSessionReader } from '../../db/session-queries.ts'
import { makeEmbedded } from '../support/embedded-database.ts'

const secret = 'a secret of at least thirty-two characters'
const day = 86_400_000

// BetterAuth owns the truth. An upgrade that changes one of its rules has to fail here, not in production.
t.test('our verdict is that of auth.api.getSession', async (t) => {
  const extension = { plugins: [admin()] }
  const database = await openDatabase({
    driver: 'pglite',
    dataDir: await makeEmbedded(t),
    pluginTables: pluginTables(extension)
  })
  t.teardown(() => database.close())
  await migrate(database)
  const auth = createAuth({
    database,
    publicUrl: 'http://localhost:8080',
    cookiePrefix: 'better-auth',
    secret,
    trustedOrigins: [],
    publicSignUp: true,
    extension,
    limits: createRateLimits(),
    passwordHashLimit: createPasswordHashLimit(),
    logger: { disabled: true },
    changes: { sessionChanged() {}, userChanged() {} }
  })
  const { authCookies, sessionConfig } = await auth.$context
  const [session, dontRemember] = [authCookies.sessionToken.name, authCookies.dontRememberToken.name]
  const signer = createCookieSigner(secret)
  let refreshes = 0
  const newResolver = () =>
    createSessionResolver({
      cookieNames: { session, dontRemember },
      signer,
      readSession: createSessionReader(database, adminColumns(extension)),
      async refresh(cookie) {
        refreshes++
        const { headers } = await auth.api.getSession({ headers: new Headers({ cookie }), returnHeaders: true })
        return headers.getSetCookie()
      },
      signedAnew: async () => [],
      refreshAgain: async () => {},
      sliding: { expiresInMs: sessionConfig.expiresIn * 1000, updateAgeMs: sessionConfig.updateAge * 1000 },
      live: new LiveSessions({
        readExpiries: async () => new Map(),
        readUsers: async () => new Set(),
        listening: () => true,
        sweepMs: 60_000,
        now: Date.now
      }),
      cache: { ttlMs: 10_000, max: 10, staleMs: 0 },
      now: Date.now,
      monotonicNow: Date.now
    })

  const cookieOf = (headers: Headers) =>
    headers
      .getSetCookie()
      .map((line) => line.split(';')[0])
      .join('; ')
  let people = 0
  /** A fresh session in the state that `shape` makes, asked once of us and, in the same state, once of BetterAuth. */
  async function compare(
    t: { equal(a: unknown, b: unknown, message: string): unknown },
    name: string,
    shape: (made: { token: string; userId: string; cookie: string }) => Promise<string> | string
  ) {
    const make = async () => {
      const email = `person${people++}@example.com`
      const { headers, response } = await auth.api.signUpEmail({
        body: { name: 'P', email, password: 'correct horse' },
        returnHeaders: true
      })
      return shape({ token: String(response.token), userId: response.user.id, cookie: cookieOf(headers) })
    }
    const ours = await make()
    const value =
      ours
        .split('; ')
        .find((pair) => pair.startsWith(`${session}=`))
        ?.slice(session.length + 1) ?? ''
    const verdict = await newResolver().resolve(value, ours)
    const theirs = await auth.api.getSession({ headers: new Headers({ cookie: await make() }), returnHeaders: true })
    const renewed = theirs.headers.getSetCookie().some((line) => line.startsWith(`${session}=`) && !line.includes('=;'))
    t.equal(verdict.outcome, theirs.response === null ? 'anonymous' : 'identified', name)
    if (verdict.outcome !== 'identified') return
    t.equal(verdict.setCookies.length > 0, renewed && theirs.response !== null, `${name}: refreshed alike`)
  }
  const expireIn = (token: string, ms: number) =>
    database.withDirectClient((client) =>
      client.query('update session set expires_at = $1 where token = $2', [
        new Date(Date.now() + ms).toISOString(),
        token
      ])
    )

  const expiring =
    (ms: number) =>
    async ({ cookie, token }: { cookie: string; token: string }) => {
      await expireIn(token, ms)
      return cookie
    }

  t.test('valid', (t) => compare(t, 'valid', ({ cookie }) => cookie))
  t.test('valid, without percent-encoding', (t) => compare(t, 'decoded', ({ cookie }) => decodeURIComponent(cookie)))
  t.test('tampered token', (t) =>
    compare(t, 'tampered', ({ cookie, token }) => cookie.replace(token, `${token.slice(0, -1)}!`))
  )
  t.test('tampered signature', (t) =>
    compare(t, 'tampered', ({ cookie, token }) =>
      cookie.replace(new RegExp(`(${token}\\.)(.)`), (_, before, c) => before + (c === 'A' ? 'B' : 'A'))
    )
  )
  t.test('no signature', (t) => compare(t, 'bare', ({ token }) => `${session}=${token}`))
  t.test('empty', (t) => compare(t, 'empty', () => `${session}=`))
  t.test('unknown', (t) => compare(t, 'unknown', () => `${session}=${signer.sign('nobody')}`))
  t.test('another name', (t) => compare(t, 'name', ({ cookie }) => cookie.replace(session, 'session_token')))
  t.test('expired', (t) => compare(t, 'expired', expiring(-1_000)))
  t.test('about to expire', (t) => compare(t, 'last minute', expiring(60_000)))
  t.test('due for refresh', (t) => compare(t, 'due', expiring(6 * day - 1_000)))
  t.test('not yet due for refresh', (t) => compare(t, 'not due', expiring(6 * day + 60_000)))
  t.test('without "remember me", looking due', (t) =>
    compare(t, 'not remembered', async ({ cookie, token }) => {
      await expireIn(token, day)
      return `${cookie}; ${dontRemember}=${signer.sign('true')}`
    })
  )
  t.test('with a forged mark of "do not remember", looking due', (t) =>
    compare(t, 'forged mark', async ({ cookie, token }) => {
      await expireIn(token, day)
      return `${cookie}; ${dontRemember}=true.${'A'.repeat(43)}=`
    })
  )
  t.test('signed out', (t) =>
    compare(t, 'signed out', async ({ cookie }) => {
      await auth.api.signOut({ headers: new Headers({ cookie }) })
      return cookie
    })
  )
  t.test('deleted by SQL', (t) =>
    compare(t, 'deleted', async ({ cookie, token }) => {
      await database.withDirectClient((client) => client.query('delete from session where token = $1', [token]))
      return cookie
    })
  )
  t.test('user gone', (t) =>
    compare(t, 'user gone', async ({ cookie, userId }) => {
      await database.withDirectClient((client) => client.query('delete from "user" where id = $1', [userId]))
      return cookie
    })
  )
  const banned =
    (how: string) =>
    async ({ cookie, userId }: { cookie: string; userId: string }) => {
      await database.withDirectClient((client) =>
        client.query(`update "user" set banned = true, ban_expires = ${how} where id = $1`, [userId])
      )
      return cookie
    }
  t.test('banned for good', (t) => compare(t, 'banned', banned('null')))
  t.test('banned for a while', (t) => compare(t, 'banned until later', banned(`now() + interval '1 hour'`)))
  t.test('banned until a moment ago', (t) => compare(t, 'ban is over', banned(`now() - interval '1 second'`)))
  t.test('banned by an administrator', (t) =>
    compare(t, 'banned through the plugin', async ({ cookie, userId }) => {
      const { headers, response } = await auth.api.signUpEmail({
        body: { name: 'A', email: `admin${people++}@example.com`, password: 'correct horse' },
        returnHeaders: true
      })
      await database.withDirectClient((client) =>
        client.query(`update "user" set role = 'admin' where id = $1`, [response.user.id])
      )
      const asked = new Headers({ cookie: cookieOf(headers), 'content-type': 'application/json' })
      asked.set('origin', 'http://localhost:8080')
      const url = 'http://localhost:8080/api/auth/admin/ban-user'
      const answer = await auth.handler(
        new Request(url, { method: 'POST', headers: asked, body: JSON.stringify({ userId }) })
      )
      t.equal(answer.status, 200)
      return cookie
    })
  )
  t.test('impersonated, which lasts an hour and is never refreshed', (t) =>
    compare(t, 'impersonated', async ({ cookie, token }) => {
      await database.withDirectClient((client) =>
        client.query(`update session set impersonated_by = 'somebody' where token = $1`, [token])
      )
      await expireIn(token, 3_600_000)
      return `${cookie}; ${dontRemember}=${signer.sign('true')}`
    })
  )
  t.test('the cases that were due were really refreshed', async (t) => t.equal(refreshes, 3))
})
