import { createHash } from 'node:crypto'
import t from 'tap'
import { Browser } from '../support/browser.ts'
import { eachDatabase } from '../support/databases.ts'
import { type Echo, startEchoUpstream } from '../support/echo-upstream.ts'
import type { TestGateway } from '../support/gateway.ts'
import { startReplicas } from '../support/replicas.ts'
import { until } from '../support/until.ts'

await eachDatabase(
  t,
  async (t, { env, options, postgres }) => {
    const upstream = await startEchoUpstream(t)
    const { here, there, database, start, degraded, sql } = await startReplicas(t, { env, options }, upstream.url)

    /** Somebody who is signed in and known to both replicas. */
    async function known(name: string) {
      const a = new Browser(here.url, here.publicUrl)
      await a.signUp(name)
      const b = new Browser(there.url, there.publicUrl)
      for (const [cookie, value] of a.cookies) b.cookies.set(cookie, value)
      const token = decodeURIComponent(a.cookies.get(a.sessionCookie) ?? '').split('.')[0] ?? ''
      t.equal((await a.ask('/me')).status, 200)
      t.equal((await b.ask('/me')).status, 200)
      return { a, b, token, email: `${name}@example.com` }
    }
    const isOut = (browser: Browser) => until(async () => (await browser.ask('/me')).status === 401)

    t.test('a sign-out here is a sign-out there', async () => {
      const { a, b } = await known('ada')
      await a.signOut()
      await isOut(b)
    })

    t.test('a session deleted by SQL is over on both', async () => {
      const { a, b, token } = await known('grace')
      await sql('delete from session where token = $1', [token])
      await isOut(a)
      await isOut(b)
    })

    t.test('a session whose expiry is moved into the past is over on both', async () => {
      const { a, b, token } = await known('edith')
      await sql(`update session set expires_at = now() - interval '1 minute' where token = $1`, [token])
      await isOut(a)
      await isOut(b)
    })

    t.test('a user deleted by SQL is nobody on both', async () => {
      const { a, b, email } = await known('joan')
      await sql('delete from "user" where email = $1', [email])
      await isOut(a)
      await isOut(b)
    })

    t.test('a new email address shows in the headers of both', async () => {
      const { a, b, email } = await known('mary')
      await sql('update "user" set email = $1, email_verified = true where email = $2', ['new@example.com', email])
      for (const browser of [a, b]) {
        await until(async () => {
          const { headers } = (await browser.ask('/me')).json() as Echo
          return headers['x-user-email'] === 'new@example.com' && headers['x-user-email-verified'] === 'true'
        })
      }
    })

    t.test('an event says neither token nor user, and a forged one ends nothing', async (t) => {
      const { a, b, token } = await known('radia')
      const heard: string[] = []
      const stop = await database.listen('gatehouse', (payload) => heard.push(payload), t.error)
      await sql('update session set updated_at = now() where token = $1', [token])
      const hash = createHash('sha256').update(token).digest('hex')
      await until(() => heard.includes(`s${hash}`))
      t.ok(heard.every((payload) => /^(\*|[su][0-9a-f]{64})$/.test(payload)))
      const before = upstream.requests.length
      for (const payload of [`s${hash}`, '*', '', 's', 'x'.repeat(7_000), "'; drop table session"]) {
        await sql('select pg_notify($1, $2)', ['gatehouse', payload])
        for (const browser of [a, b]) t.equal((await browser.ask('/me')).status, 200, payload.slice(0, 20))
      }
      t.equal(upstream.requests.length, before + 12)
      await stop()
    })

    t.test('a channel that was cut is opened again, and what was missed is read again', async (t) => {
      const { a, b, token } = await known('hedy')
      const heardAgain = (gateway: TestGateway) => gateway.logged().includes('session events are heard again')
      t.notOk(heardAgain(here))
      await sql(`select pg_terminate_backend(pid) from pg_stat_activity
                 where application_name = 'gatehouse' and query like 'select pg_notification_queue_usage%'`)
      await sql('delete from session where token = $1', [token])
      await isOut(a)
      await isOut(b)
      for (const gateway of [here, there]) await until(() => heardAgain(gateway))
    })

    t.test('a lost channel is degraded, said once, and its return too', async (t) => {
      if (postgres === undefined) return
      await postgres.stop()
      await until(async () => (await degraded(there)).includes('session-events'))
      await postgres.start()
      await until(async () => (await degraded(there)).length === 0)
      const lines = there.logged().split('\n')
      const count = (text: string) => lines.filter((line) => line.includes(text)).length
      t.equal(count('session events are not heard'), count('session events are heard again'))
    })

    t.test('with events off a session that ends elsewhere lives until the TTL, and not longer', async (t) => {
      const deaf = await start({ SESSION_EVENTS: 'off', SESSION_CACHE_TTL: '4' })
      t.same(await degraded(deaf), [])
      const { a } = await known('karen')
      const c = new Browser(deaf.url, deaf.publicUrl)
      for (const [cookie, value] of a.cookies) c.cookies.set(cookie, value)
      t.equal((await c.ask('/me')).status, 200)
      await a.signOut()
      const endedAt = Date.now()
      t.equal((await c.ask('/me')).status, 200, 'it has not been told')
      let lastLetThroughAt = 0
      await until(async () => {
        const sentAt = Date.now()
        const { status } = await c.ask('/me')
        if (status === 200) lastLetThroughAt = sentAt
        return status === 401
      })
      t.ok(lastLetThroughAt <= endedAt + 4_000, `${lastLetThroughAt - endedAt} ms`)
    })
  },
  ['pg', 'neon']
)
