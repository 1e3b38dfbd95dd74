import t from 'tap'
import { isBetterAuthCookie } from '../../auth/better-auth-cookie-names.ts'
import { Browser } from '../support/browser.ts'
import { origins } from '../support/cookie-names.ts'
import { type Echo, startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'

// `Set-Cookie: =a=b` makes a cookie without a name, which browsers send back as `Cookie: a=b` (RFC 6265bis, section 5.7).

const planted = [
  '=better-auth.session_token=x',
  ' = better-auth.session_token=x',
  '==__Host-better-auth.session_token=x'
]
for (const env of origins)
  await t.test(`the public origin ${env['BETTER_AUTH_URL'] ?? 'is http on this machine'}`, async (t) => {
    const upstream = await startEchoUpstream(t, (request, response) => {
      response.setHeader('set-cookie', [...planted, '=theme=dark', 'lang==better-auth.x'])
      response.end(JSON.stringify({ headers: request.headers }))
    })
    const gateway = await startTestGateway(t, { upstreamUrl: upstream.url, env: { ...env } })
    const ada = new Browser(gateway.url, gateway.publicUrl)
    await ada.signUp('ada')

    t.test('the upstream cannot plant a session without naming it', async (t) => {
      const { headers } = await new Browser(gateway.url, gateway.publicUrl).ask('/public/x')
      t.same(headers['set-cookie'], ['=theme=dark', 'lang==better-auth.x'])
      for (const cookie of planted) t.ok(isBetterAuthCookie(cookie), cookie)
    })

    t.test('nor does a session reach it so', async (t) => {
      const [[name, value] = []] = [...ada.cookies]
      const cookie = `a=1; =${name}=${value}; b=2`
      const { headers } = (await ada.ask('/public/x', { headers: { cookie } })).json() as Echo
      t.equal(headers['cookie'], 'a=1; b=2')
    })
  })
