import t from 'tap'
import { defineConfig } from '../../src/policy-file.ts'
import { withAdmin } from '../support/admin-plugin.ts'
import { Browser } from '../support/browser.ts'
import { origins } from '../support/cookie-names.ts'
import { type Echo, startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { askRaw } from '../support/wire.ts'

const policy = defineConfig({
  routes: [
    { path: '/public/*', access: 'public' },
    { path: '/admin/*', access: 'session', roles: ['admin'] }
  ],
  auth: withAdmin,
  principalHeaders: ['name', 'role', 'sessionId', 'sessionCreatedAt', 'impersonatedBy']
})
for (const env of origins)
  await t.test(`the public origin ${env['BETTER_AUTH_URL'] ?? 'is http on this machine'}`, async (t) => {
    const upstream = await startEchoUpstream(t)
    const gateway = await startTestGateway(t, { upstreamUrl: upstream.url, policy, env: { ...env } })
    const host = new URL(gateway.publicUrl).host

    t.test('the headers about role, name, session and impersonation are only ever the gateway’s', async (t) => {
      const eve = new Browser(gateway.url, gateway.publicUrl)
      await eve.signUp('eve')
      const names = [
        'X-User-Role',
        'x_user_role',
        'X.User.Name',
        'X-Session-Id',
        'x-session_id',
        'X-User-Impersonated-By',
        'X-Session-Created-At',
        'x_session_created_at',
        'X.Session.Created.At'
      ]
      names.push('X-Session-Created-At', 'x_session_created_at', 'X.Session.Created.At')
      const lies = names.map((name) => `${name}: admin`)
      const cookie = `Cookie: ${eve.cookieHeader}`
      for (const [path, headers] of [
        ['/public/x', []],
        ['/me', [cookie]],
        ['/me', [cookie, 'Connection: close, x-user-role, x-session-id']]
      ] as const) {
        const answer = await askRaw(gateway.port, `GET ${path} HTTP/1.1`, [`Host: ${host}`, ...lies, ...headers])
        const { rawHeaders } = answer.json() as Echo
        t.notOk(rawHeaders.includes('admin'), path)
        const roles = rawHeaders.filter((_, i) => rawHeaders[i - 1]?.toLowerCase() === 'x-user-role')
        t.same(roles, path === '/me' ? ['user'] : [], path)
      }
      const refused = await askRaw(gateway.port, 'GET /admin/x HTTP/1.1', [`Host: ${host}`, ...lies, cookie])
      t.equal(refused.status, 403)
    })

    t.test('nobody gives themselves a role, lifts their ban or becomes somebody else', async (t) => {
      const mallory = new Browser(gateway.url, gateway.publicUrl)
      const more = { role: 'admin', banned: false, emailVerified: true }
      await mallory.post('/api/auth/sign-up/email', {
        email: 'mallory@example.com',
        name: 'Mallory',
        password: 'correct horse battery',
        ...more
      })
      if (mallory.cookies.size === 0) await mallory.signUp('mallory')
      const attempts: [path: string, body: object][] = [
        ['update-user', more],
        ['update-user', { name: 'M', role: 'admin' }],
        ['admin/set-role', { userId: 'me', role: 'admin' }],
        ['admin/update-user', { userId: 'me', data: more }],
        ['admin/unban-user', { userId: 'me' }],
        ['admin/impersonate-user', { userId: 'me' }],
        ['admin/create-user', { email: 'a@example.com', name: 'A', password: 'correct horse battery', role: 'admin' }]
      ]
      const own = ((await mallory.ask('/me')).json() as Echo).headers['x-user-id']
      for (const [path, body] of attempts) {
        await mallory.post(`/api/auth/${path}`, 'userId' in body ? { ...body, userId: own } : body)
        t.match(await mallory.ask('/admin/x'), { status: 403, text: /ROLE_REQUIRED/ }, path)
        t.match((await mallory.ask('/me')).json(), {
          headers: { 'x-user-role': 'user', 'x-user-email-verified': 'false' }
        })
      }
    })
  })
