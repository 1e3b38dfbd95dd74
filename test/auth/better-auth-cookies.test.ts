import { createAuthEndpoint } from 'better-auth/api'
import t from 'tap'
import { Device, startAuthApp } from '../support/auth-app.ts'

/** A plugin with a cookie of its own, as two-factor and admin have them. */
const cookiePlugin = {
  id: 'cookie-plugin',
  endpoints: {
    setPluginCookie: createAuthEndpoint('/plugin-cookie', { method: 'GET' }, async (ctx) => {
      const cookie = ctx.context.createAuthCookie('plugin_cookie', { maxAge: 60 })
      ctx.setCookie(cookie.name, 'x', cookie.attributes)
      return ctx.json({ ok: true })
    })
  }
}

t.test(
  'on https every cookie is __Host-, Secure, HttpOnly, SameSite=Lax, on Path=/ and without a Domain',
  async (t) => {
    const target = await startAuthApp(t, {
      publicUrl: 'https://app.example.org',
      extension: { plugins: [cookiePlugin], socialProviders: { github: { clientId: 'id', clientSecret: 'secret' } } }
    })
    const device = new Device(target)
    await device.signUp('ada@example.org')
    const responses = [
      await device.post('/sign-in/email', { email: 'ada@example.org', password: 'correct horse', rememberMe: false }),
      await device.fetch('/plugin-cookie'),
      await device.post('/sign-in/social', { provider: 'github', callbackURL: '/' }),
      await device.post('/sign-out', {})
    ]
    const names = new Set<string>()
    for (const cookie of responses.flatMap((response) => response.headers.getSetCookie())) {
      names.add(cookie.slice(0, cookie.indexOf('=')))
      t.match(cookie, /^__Host-better-auth\.[a-z_]+=/)
      t.match(cookie, /; Path=\/(;|$)/)
      t.match(cookie, /; Secure(;|$)/)
      t.match(cookie, /; HttpOnly(;|$)/)
      t.match(cookie, /; SameSite=Lax(;|$)/)
      t.notMatch(cookie, /domain/i)
    }
    for (const name of ['session_token', 'dont_remember', 'plugin_cookie', 'state']) {
      t.ok(names.has(`__Host-better-auth.${name}`), `${name} was among them`)
    }
    const { authCookies } = await target.auth.$context
    t.equal(authCookies.sessionToken.name, '__Host-better-auth.session_token')
    t.equal(authCookies.dontRememberToken.name, '__Host-better-auth.dont_remember')
  }
)

t.test('on http, cookies have their plain names and are HttpOnly and SameSite=Lax all the same', async (t) => {
  const target = await startAuthApp(t)
  const device = new Device(target)
  await device.signUp('ada@example.org')
  const response = await device.post('/sign-in/email', {
    email: 'ada@example.org',
    password: 'correct horse',
    rememberMe: false
  })
  const cookies = response.headers.getSetCookie()
  t.equal(cookies.length, 2, 'both arrive, each on its own')
  t.match(cookies[0], /^better-auth\.session_token=[^;]+; Path=\/; HttpOnly; SameSite=Lax$/)
  t.match(cookies[1], /^better-auth\.dont_remember=[^;]+; Path=\/; HttpOnly; SameSite=Lax$/)
})
