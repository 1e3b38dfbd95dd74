import { multiSession } from 'better-auth/plugins/multi-session'
import t from 'tap'
import { Browser } from '../support/browser.ts'
import { prefixOn } from '../support/cookie-names.ts'
import { type Echo, startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'

// Browsers keep cookies by the host and not by the port: two projects on `localhost` signed each other out.

const upstream = await startEchoUpstream(t)
// Sessions are looked up every time, so that nothing is answered out of a cache.
const env = { SESSION_CACHE_TTL: '0' }
const yesterdays = 'better-auth.session_token=yesterdays.value'

/** Two projects with one secret, as where a file of settings is copied, and browsers for them that share a jar. */
async function twoProjects(policy = {}, more: Record<string, string> = {}) {
  const start = () => startTestGateway(t, { upstreamUrl: upstream.url, policy, env: { ...env, ...more } })
  const [here, there] = [await start(), await start()]
  const jar = new Map([yesterdays.split('=') as [string, string]])
  const [a, b] = [here, there].map(({ url, publicUrl }) => new Browser(url, publicUrl, jar))
  if (a === undefined || b === undefined) throw new Error('two')
  return { a, b, jar }
}

t.test('signing in to one project, and out of it, leaves the other alone, whatever else is in the jar', async (t) => {
  const { a, b, jar } = await twoProjects()
  await a.signUp('ada')
  await b.signUp('grace')
  for (const [browser, email] of [
    [a, 'ada@example.com'],
    [b, 'grace@example.com']
  ] as const) {
    const { headers } = (await browser.ask('/me')).json() as Echo
    t.equal(headers['x-user-email'], email)
    t.equal(headers['cookie'], undefined, "neither the neighbour's cookie nor yesterday's is forwarded")
    t.match((await browser.ask('/api/auth/get-session')).json(), { user: { email } })
    t.match((await browser.ask('/auth/account')).text, new RegExp(email))
  }
  t.equal((await a.signOut()).status, 200)
  t.equal((await a.ask('/me')).status, 401)
  t.equal((await b.ask('/me')).status, 200)
  t.same([...jar.keys()], ['better-auth.session_token', b.sessionCookie], 'nothing of the other was cleared')
})

t.test('nor does a plugin that looks through all cookies find those of the other', async (t) => {
  const secret = { BETTER_AUTH_SECRET: 'one secret for both of the two projects' }
  const { a, b, jar } = await twoProjects({ auth: { plugins: [multiSession()] } }, secret)
  await a.signUp('ada')
  await b.signUp('grace')
  await a.signOut()
  const left = [...jar.keys()].filter((name) => name.includes('_multi-'))
  t.equal(left.length, 1)
  t.ok(left[0]?.startsWith(prefixOn(b.publicUrl)))
  t.match((await b.ask('/api/auth/multi-session/list-device-sessions')).json(), [{ user: { name: 'grace' } }])
})

t.test(
  'on https and loopback the port follows `__Host-`; with NODE_ENV=production, or elsewhere, there is none',
  async (t) => {
    const production = { BETTER_AUTH_SECRET: 'x'.repeat(32), DATABASE_DRIVER: 'pglite' }
    const names = {
      '__Host-better-auth-443.session_token': { BETTER_AUTH_URL: 'https://localhost' },
      '__Host-better-auth-8443.session_token': { BETTER_AUTH_URL: 'https://127.0.0.1:8443' },
      'better-auth-80.session_token': { BETTER_AUTH_URL: 'http://app.localhost' },
      'better-auth.session_token': { BETTER_AUTH_URL: 'http://localhost:8080', NODE_ENV: 'production', ...production },
      '__Host-better-auth.session_token': { BETTER_AUTH_URL: 'https://app.example.com', ...production }
    }
    for (const [name, more] of Object.entries(names)) {
      const gateway = await startTestGateway(t, { upstreamUrl: upstream.url, env: { ...env, ...more } })
      const ada = new Browser(gateway.url, gateway.publicUrl)
      await ada.signUp('ada')
      t.same([...ada.cookies.keys()], [name])
      t.equal((await ada.ask('/me')).status, 200)
    }
  }
)
