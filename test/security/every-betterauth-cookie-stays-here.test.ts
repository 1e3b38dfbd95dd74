import { createAuthEndpoint } from 'better-auth/api'
import { multiSession } from 'better-auth/plugins'
import t from 'tap'
import { Browser } from '../support/browser.ts'
import { prefixOn } from '../support/cookie-names.ts'
import { type Echo, startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'

// The cookies of plugins that this gateway does not have are made as they make them.
const cookiesOfOtherPlugins = {
  id: 'other-plugins',
  endpoints: {
    setOtherCookies: createAuthEndpoint('/other-cookies', { method: 'GET' }, async (ctx) => {
      for (const name of [
        'admin_session',
        'two_factor',
        'trust_device',
        'passkey',
        'oauth_state',
        'pk_code_verifier'
      ]) {
        const cookie = ctx.context.createAuthCookie(name, { maxAge: 60 })
        await ctx.setSignedCookie(cookie.name, 'a-secret', ctx.context.secret, cookie.attributes)
      }
      return ctx.json({ ok: true })
    })
  }
}

for (const env of [
  {},
  { BETTER_AUTH_URL: 'https://app.example.com', BETTER_AUTH_SECRET: 'x'.repeat(32), DATABASE_DRIVER: 'pglite' }
]) {
  t.test(`no cookie that BetterAuth or a plugin has set is forwarded ${Object.keys(env).join(' ')}`, async (t) => {
    const upstream = await startEchoUpstream(t)
    const gateway = await startTestGateway(t, {
      upstreamUrl: upstream.url,
      env,
      policy: {
        routes: [
          { path: '/public/*', access: 'public' },
          { path: '/optional/*', access: 'optional' }
        ],
        auth: {
          plugins: [multiSession(), cookiesOfOtherPlugins],
          socialProviders: { github: { clientId: 'id', clientSecret: 'secret' } }
        }
      }
    })
    const device = new Browser(gateway.url, gateway.publicUrl)
    await device.signUp('ada')
    await device.signUp('grace')
    await device.signIn('ada', undefined, { rememberMe: false })
    await device.ask('/api/auth/other-cookies')
    await device.post('/api/auth/sign-in/social', { provider: 'github', callbackURL: '/' })
    const sessions = (await device.ask('/api/auth/multi-session/list-device-sessions')).json() as unknown[]
    t.equal(sessions.length, 2, 'two people are signed in on this device')

    const names = [...device.cookies.keys()]
    const prefix = prefixOn(gateway.publicUrl)
    for (const name of names) t.ok(name.startsWith(prefix), name)
    t.equal(names.filter((name) => name.includes('_multi-')).length, 2)
    for (const name of ['session_token', 'dont_remember', 'admin_session', 'state', 'trust_device']) {
      t.ok(names.includes(prefix + name), name)
    }

    for (const path of ['/public/x', '/optional/x', '/me']) {
      const { headers, rawHeaders } = (
        await device.ask(path, { headers: { cookie: `theme=dark; ${device.cookieHeader}; lang=en` } })
      ).json() as Echo
      t.equal(headers['cookie'], 'theme=dark; lang=en', path)
      for (const value of device.cookies.values()) t.notOk(rawHeaders.join('\n').includes(value), path)
      if (path !== '/public/x') t.equal(headers['x-user-email'], 'ada@example.com')
    }
  })
}
