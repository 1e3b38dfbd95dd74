import t from 'tap'
import { Browser } from '../support/browser.ts'
import { type Echo, startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'

// evil.example.com can set cookies for all of example.com. It cannot name one `__Host-…`: browsers keep that prefix for
// cookies of exactly one host. So on https nothing but that name may be read as a session.

const upstream = await startEchoUpstream(t)
const gateway = await startTestGateway(t, {
  upstreamUrl: upstream.url,
  // Every look-up refreshes, so that a refresh of the wrong session would show.
  policy: { routes: [], auth: { session: { updateAge: 0 } } },
  env: { BETTER_AUTH_URL: 'https://app.example.com', BETTER_AUTH_SECRET: 'x'.repeat(32), DATABASE_DRIVER: 'pglite' }
})
const mallory = new Browser(gateway.url, gateway.publicUrl)
const ada = new Browser(gateway.url, gateway.publicUrl)
await mallory.signUp('mallory')
await ada.signUp('ada')
const name = '__Host-better-auth.session_token'
const planted = mallory.cookies.get(name) ?? ''
const own = ada.cookies.get(name) ?? ''

const names = [
  'better-auth.session_token',
  '__Secure-better-auth.session_token',
  '__host-better-auth.session_token',
  '__HOST-better-auth.session_token',
  '__Host-Better-Auth.session_token',
  'Host-better-auth.session_token',
  ' better-auth.session_token',
  'session_token',
  // Browsers that compare the prefix of a nameless cookie's value, and parsers that take it for a name
  '=__Host-better-auth.session_token',
  // Servers that trim more than browsers do: to those the prefix stands in the middle of the name
  ...['\xa0', '\x85', '\xa0 ', '\xc2\xa0', '\xe2\x80\x80'].map((space) => `${space}__Host-better-auth.session_token`),
  '__Host-better-auth.session_token%20',
  '"__Host-better-auth.session_token"',
  '__Host-better-auth.session_token[]'
]

async function whoAmI(cookie: string, browser = new Browser(gateway.url, gateway.publicUrl)) {
  const proxied = await browser.ask('/me', { headers: { cookie } })
  const asked = await browser.ask('/api/auth/get-session', { headers: { cookie } })
  const session = asked.json() as { user?: { email: string }; code?: string } | null
  return [
    proxied.status === 200
      ? (proxied.json() as Echo).headers['x-user-email']
      : (proxied.json() as { code: string }).code,
    session === null ? null : (session.user?.email ?? session.code)
  ]
}

t.test('the cookie of a session is read under its own name only', async (t) => {
  t.ok(planted !== '' && own !== '')
  t.same(await whoAmI(`${name}=${planted}`), ['mallory@example.com', 'mallory@example.com'], 'it is a session')
  for (const other of names) {
    t.same(await whoAmI(`${other}=${planted}`), ['SESSION_REQUIRED', null], other)
  }
})

t.test('beside the real one a planted cookie changes nothing, wherever it stands', async (t) => {
  const ours = ['ada@example.com', 'ada@example.com']
  for (const other of names) {
    t.same(await whoAmI(`${other}=${planted}; ${name}=${own}`), ours, `${other}, first`)
    t.same(await whoAmI(`${name}=${own}; ${other}=${planted}`), ours, `${other}, last`)
  }
})

t.test('a refresh renews the real one, and what is sent to the upstream names neither', async (t) => {
  for (const other of names) {
    const browser = new Browser(gateway.url, gateway.publicUrl)
    const cookie = `${other}=${planted}; ${name}=${own}`
    const echo = (await browser.ask('/me', { headers: { cookie } })).json() as Echo
    t.same([...browser.cookies], [[name, own]], other)
    if (/^[=\s\x85]+__Host-/.test(other)) t.equal(echo.headers['cookie'], undefined, other)
    await whoAmI(cookie, browser)
    t.equal(browser.cookies.get(name), own, other)
  }
})

t.test('two of the protected name are refused: which of them is real, nobody could say', async (t) => {
  const refused = ['COOKIE_AMBIGUOUS', 'COOKIE_AMBIGUOUS']
  t.same(await whoAmI(`${name}=${planted}; ${name}=${own}`), refused)
  t.same(await whoAmI(`${name}=${own}; ${name}=${planted}`), refused)
  t.same(await whoAmI(`${name}=; ${name}=${own}`), refused)
})
