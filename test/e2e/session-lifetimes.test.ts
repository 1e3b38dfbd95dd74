import t from 'tap'
import { WebSocketServer } from 'ws'
import { openDatabase } from '../../db/open-database.ts'
import { Browser } from '../support/browser.ts'
import { eachDatabase } from '../support/databases.ts'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { until } from '../support/until.ts'
import { closing, mustDial } from '../support/websocket.ts'

const secret = { BETTER_AUTH_SECRET: 'one secret for all replicas of this test' }
const lifetimes = { idle: 60, absolute: 3_600, perUser: 2 }

// Decisions last ten minutes, so that only the ends themselves and events explain an earlier end.
await eachDatabase(t, async (t, { env, options, postgres, publicUrl }) => {
  const upstream = await startEchoUpstream(t)
  const sockets = new WebSocketServer({ server: upstream.server })
  t.teardown(() => sockets.close())
  const start = (more: Record<string, string> = {}) =>
    startTestGateway(t, {
      upstreamUrl: upstream.url,
      env: { ...env, BETTER_AUTH_URL: publicUrl, SESSION_CACHE_TTL: '600', ...secret, ...more },
      policy: { session: lifetimes }
    })
  // The embedded database belongs to one gateway.
  const here = await start()
  const there = postgres === undefined ? here : await start()
  const sql = async (statement: string, params: unknown[] = []) => {
    if (postgres === undefined) return
    const database = await openDatabase(options)
    await database.withDirectClient((client) => client.query(statement, params)).finally(() => database.close())
  }
  for (const gateway of [here, there])
    await until(async () => {
      const report = (await (await fetch(`${gateway.adminUrl}/readyz`)).json()) as { degraded: string[] }
      return report.degraded.length === 0
    })

  /** The same session on the other replica. */
  const alsoThere = (browser: Browser) => {
    const other = new Browser(there.url, there.publicUrl)
    for (const [name, value] of browser.cookies) other.cookies.set(name, value)
    return other
  }
  const tokenOf = (browser: Browser) =>
    decodeURIComponent(browser.cookies.get(browser.sessionCookie) ?? '').split('.')[0] ?? ''
  const socketOf = (browser: Browser) =>
    mustDial(t, `${browser.origin.replace('http', 'ws')}/live`, {
      headers: { cookie: browser.cookieHeader, host: new URL(browser.publicUrl).host, origin: browser.publicUrl }
    })

  await t.test('a third session ends the first, its sockets and what another replica knows of it', async (t) => {
    const first = new Browser(here.url, here.publicUrl)
    await first.signUp('ada')
    const known = alsoThere(first)
    t.equal((await known.ask('/me')).status, 200)
    const { socket } = await socketOf(known)
    const closed = closing(socket)
    const second = new Browser(here.url, here.publicUrl)
    await second.signIn('ada')
    t.equal((await known.ask('/me')).status, 200, 'two may be')
    const third = new Browser(here.url, here.publicUrl)
    t.equal((await third.signIn('ada')).status, 200)
    await until(async () => (await known.ask('/me')).status === 401)
    t.match(await closed, { code: 1008, reason: 'session ended' })
    for (const browser of [second, third]) t.equal((await browser.ask('/me')).status, 200)
  })

  if (postgres === undefined) return

  await t.test('a session that was not used ends at that moment, on both replicas, with its socket', async (t) => {
    const browser = new Browser(here.url, here.publicUrl)
    await browser.signUp('grace')
    const both = [browser, alsoThere(browser)]
    const { socket } = await socketOf(alsoThere(browser))
    const closed = closing(socket)
    // Read again after this, and cached until its end.
    await sql(`update session set updated_at = now() - interval '55 seconds' where token = $1`, [tokenOf(browser)])
    const left = Date.now() + 5_000
    await until(() => Date.now() > left)
    for (const one of both) t.equal((await one.ask('/me')).status, 401)
    t.match(await closed, { code: 1008, reason: 'session ended' }, 'within ten seconds')
  })

  await t.test('a use on one replica keeps it alive on the other', async (t) => {
    const browser = new Browser(here.url, here.publicUrl)
    await browser.signUp('edith')
    const other = alsoThere(browser)
    for (let n = 0; n < 3; n++) {
      await sql(`update session set updated_at = now() - interval '50 seconds' where token = $1`, [tokenOf(browser)])
      t.equal((await (n % 2 === 0 ? browser : other).ask('/me')).status, 200)
    }
    const due = Date.now() + 11_000
    await until(() => Date.now() > due)
    for (const one of [browser, other]) t.equal((await one.ask('/me')).status, 200)
  })

  await t.test('a session that began too long ago ends on both, however much it is used', async (t) => {
    const browser = new Browser(here.url, here.publicUrl)
    await browser.signUp('joan')
    const other = alsoThere(browser)
    const { socket } = await socketOf(other)
    const closed = closing(socket)
    await sql(`update session set created_at = now() - interval '3597 seconds' where token = $1`, [tokenOf(browser)])
    const end = Date.now() + 3_000
    await until(async () => {
      await browser.ask('/me')
      return Date.now() > end
    })
    for (const one of [browser, other]) t.equal((await one.ask('/me')).status, 401)
    t.match(await closed, { code: 1008, reason: 'session ended' })
  })

  await t.test('without events a socket of an ended session closes too', async (t) => {
    const deaf = await start({ SESSION_EVENTS: 'off', SESSION_CACHE_TTL: '2' })
    const browser = new Browser(deaf.url, deaf.publicUrl)
    await browser.signUp('mary')
    const { socket } = await socketOf(browser)
    const closed = closing(socket)
    await sql(`update session set updated_at = now() - interval '61 seconds' where token = $1`, [tokenOf(browser)])
    t.match(await closed, { code: 1008, reason: 'session ended' })
  })
})
