import t from 'tap'
import { ConfigError, readConfig } from '../../src/config/environment.ts'
import { Browser } from '../support/browser.ts'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'

// Every project that is run in Expo's app, every Tauri app and every extension has the scheme of its framework. A bare
// `exp://` would trust `exp://evil.example/…`, into which Expo's plugin puts the session cookie.

const extension = 'chrome-extension://abcdefghijklmnopabcdefghijklmnop'
const apps = ['myapp://', 'com.example.app://', 'tauri://localhost', extension, 'exp://192.168.1.20:8081']

function problemsOf(origins: string, more: Record<string, string> = {}): readonly string[] {
  try {
    readConfig({ TRUSTED_ORIGINS: origins, ...more }, '/')
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
}

t.test('apps and sites are read from one list', async (t) => {
  const config = readConfig({ TRUSTED_ORIGINS: ['http://localhost:3000', ...apps].join(', ') }, '/')
  t.same(config.trustedOrigins, ['http://localhost:3000'])
  t.same(config.appOrigins, apps)
})

t.test('a scheme that many apps share needs an authority', async (t) => {
  const shared = ['app', 'capacitor', 'chrome-extension', 'exp', 'exps', 'ionic', 'moz-extension', 'tauri']
  for (const scheme of shared) {
    const [problem, ...others] = problemsOf(`myapp://,${scheme}://`)
    t.match(problem, /^TRUSTED_ORIGINS: item 2 of the list must name one app/, scheme)
    t.same(others, [])
    t.same(problemsOf(`${scheme}://one-app`), [])
  }
})

t.test('what names no app, or more than one, is refused', async (t) => {
  const wrong = [
    ...[
      'myapp',
      'myapp:',
      'myapp:/',
      'myapp:///',
      'myapp://one/',
      'myapp://one/path',
      'myapp://one?x',
      'myapp://one#x'
    ],
    ...[
      'myapp://*',
      'my*app://',
      'myapp://user@one',
      'myapp://one:port',
      'MyApp://',
      ' my app://',
      '://one',
      '1app://'
    ],
    ...['javascript://', 'javascript://one', 'data://one', 'blob://one', 'file://', 'file://one', 'about://one'],
    ...['view-source://one', 'vbscript://one', 'intent://one', 'chrome://one', 'ws://one', 'ftp://one', 'content://one']
  ]
  for (const origin of wrong) t.match(problemsOf(origin)[0], /^TRUSTED_ORIGINS: item 1 of the list must be/, origin)
})

t.test("Expo's own scheme is for development", async (t) => {
  const production = {
    NODE_ENV: 'production',
    BETTER_AUTH_URL: 'https://example.com',
    BETTER_AUTH_SECRET: 'a secret of thirty-two characters',
    DATABASE_URL: 'postgres://db.example/x'
  }
  for (const scheme of ['exp', 'exps']) {
    t.match(problemsOf(`${scheme}://192.168.1.20:8081`, production), [/must not be exps?:\/\/ in production/])
    t.match(problemsOf(`${scheme}://u.expo.dev`, { ...production, NODE_ENV: '' }), [/in production/])
  }
  t.same(problemsOf(['myapp://', 'tauri://localhost', extension].join(), production), [])
})

t.test('an app is trusted by BetterAuth and by nobody else, another one by nobody', async (t) => {
  const upstream = await startEchoUpstream(t)
  const gateway = await startTestGateway(t, {
    upstreamUrl: upstream.url,
    env: { TRUSTED_ORIGINS: apps.join() },
    policy: {
      routes: [{ path: '/open', access: 'public' }],
      auth: { socialProviders: { github: { clientId: 'id', clientSecret: 'secret' } } }
    }
  })
  const ada = new Browser(gateway.url, gateway.publicUrl)
  await ada.signUp('ada')
  const update = (origin: string) =>
    ada.ask('/api/auth/update-user', { method: 'POST', body: { name: 'Ada' }, headers: { origin } })
  const others = [
    'tauri://evil',
    'exp://evil.example',
    'exp://192.168.1.20:8082',
    'chrome-extension://evil',
    'other://'
  ]
  for (const origin of [...apps, 'myapp://whatever/of/it']) t.equal((await update(origin)).status, 200, origin)
  for (const origin of others) t.equal((await update(origin)).status, 403, origin)

  const goOn = (callbackURL: string) =>
    new Browser(gateway.url, gateway.publicUrl).post('/api/auth/sign-in/social', { provider: 'github', callbackURL })
  for (const origin of ['myapp://welcome?x=1', 'tauri://localhost/welcome', 'exp://192.168.1.20:8081/--/welcome'])
    t.equal((await goOn(origin)).status, 200, origin)
  for (const origin of ['tauri://localhost.evil/', 'exp://192.168.1.20:8081@evil/', 'exp://evil/', 'other://welcome'])
    t.equal((await goOn(origin)).status, 403, origin)

  for (const origin of apps) {
    const post = await ada.ask('/private', { method: 'POST', headers: { origin } })
    t.equal(post.status, 403, origin)
    t.match(post.json(), { code: 'ORIGIN_FORBIDDEN' })
    const open = await ada.ask('/open', { headers: { origin } })
    t.equal(open.status, 200)
    t.equal(open.headers['access-control-allow-origin'], undefined)
    t.equal(open.headers['access-control-allow-credentials'], undefined)
  }
})
