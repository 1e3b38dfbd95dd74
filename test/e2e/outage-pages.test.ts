import t from 'tap'
import { Browser } from '../support/browser.ts'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { migrateOnce } from '../support/embedded-database.ts'
import { startTestGateway } from '../support/gateway.ts'
import { pageLoad, sendForm } from '../support/pages.ts'
import { startPostgres } from '../support/postgres.ts'

t.test('while the database is away people are told so, and nobody is sent to sign in', async (t) => {
  const postgres = await startPostgres(t)
  const url = await postgres.createDatabase()
  await migrateOnce({ driver: 'pg', url })
  const upstream = await startEchoUpstream(t)
  const gateway = await startTestGateway(t, {
    upstreamUrl: upstream.url,
    env: { DATABASE_URL: url, SESSION_CACHE_TTL: '0' }
  })
  const ada = new Browser(gateway.url, gateway.publicUrl)
  await ada.signUp('ada')
  t.equal((await ada.ask('/auth/account', { headers: pageLoad })).status, 200)
  await postgres.stop()

  const asked = [
    await ada.ask('/private', { headers: pageLoad }),
    await ada.ask('/auth/account', { headers: pageLoad }),
    await ada.ask('/auth/sign-in', { headers: pageLoad }),
    await sendForm(ada, '/auth/account/profile', { name: 'Eve' }),
    await sendForm(ada, '/auth/sign-in', { email: 'ada@example.com', password: 'correct horse battery' })
  ]
  for (const { status, headers, text } of asked) {
    t.equal(status, 503)
    t.match(headers['retry-after'], /^\d+$/)
    t.match(text, /Nobody was signed out: try again/)
    t.equal(headers['set-cookie'], undefined)
  }
  const stranger = new Browser(gateway.url, gateway.publicUrl)
  t.equal(
    (await stranger.ask('/auth/sign-in', { headers: pageLoad })).status,
    200,
    'who has no session asks no database'
  )
  t.equal((await stranger.ask('/private', { headers: pageLoad })).status, 303)
  const program = await ada.ask('/private')
  t.match(program.json(), { code: 'SESSION_STORE_UNAVAILABLE' })
})
