import t from 'tap'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { askRaw } from '../support/wire.ts'

// `callbackURL=evil?code=…` was logged as an error, its query included: only what began with a scheme was cut.

const upstream = await startEchoUpstream(t)
const gateway = await startTestGateway(t, { upstreamUrl: upstream.url })
const host = new URL(gateway.publicUrl).host
const signIn = 'POST /api/auth/sign-in/email HTTP/1.1'
const secret = 'k1tten'
const odd = [
  `evil.example/next?code=${secret}`,
  `//evil.example?code=${secret}`,
  `/\\evil.example?code=${secret}`,
  `https://evil.example/${secret}?code=${secret}`,
  `app://${secret}`,
  `${secret}@evil.example`,
  `evil\r\n{"level":50,"msg":"${secret}"}`
]

let address = 0

async function ask(requestLine: string, headers: readonly string[], body: unknown) {
  const text = JSON.stringify(body)
  const length = `Content-Length: ${Buffer.byteLength(text)}`
  // Each from an address of its own, so that none is refused for there being many.
  const from = `X-Forwarded-For: 10.9.1.${++address}`
  const type = headers.some((line) => line.startsWith('Content-Type:')) ? [] : ['Content-Type: application/json']
  return askRaw(gateway.port, requestLine, [`Host: ${host}`, length, from, ...type, ...headers], text)
}

t.test('what a client asked to be led to is not in the log, in whatever field it came', async (t) => {
  const entered = { email: 'ada@example.com', password: 'x'.repeat(10) }
  const own = [`Origin: ${gateway.publicUrl}`]
  for (const text of odd) {
    for (const field of ['callbackURL', 'redirectTo', 'errorCallbackURL', 'newUserCallbackURL'])
      await ask(signIn, own, { ...entered, [field]: text })
    await ask(`GET /api/auth/verify-email?token=x&callbackURL=${encodeURIComponent(text)} HTTP/1.1`, own, {})
    if (!text.includes('\n')) await ask(signIn, ['Cookie: a=1', `Origin: ${text}`], entered)
  }
  const logged = gateway.logged()
  t.notMatch(logged, new RegExp(`${secret}|evil`))
  for (const name of ['callbackURL', 'redirectURL', 'errorCallbackURL', 'newUserCallbackURL', 'origin'])
    t.match(logged, `auth: Invalid ${name}: …`)
})

t.test('what else a client writes is not in the log either', async (t) => {
  const own = [`Origin: ${gateway.publicUrl}`]
  const post = (path: string, body: unknown) => ask(`POST /api/auth${path} HTTP/1.1`, own, body)
  await post('/sign-in/email', { email: `${secret}@example.com`, password: secret.repeat(4) })
  await post('/sign-in/email', { email: secret, password: secret })
  await post('/sign-up/email', { email: `${secret}@example.com`, password: secret, name: secret })
  await post('/sign-in/social', { provider: secret, callbackURL: `/${secret}` })
  await post('/sign-in/social', { provider: 'google', idToken: { token: secret } })
  await post('/request-password-reset', { email: `${secret}@example.com`, redirectTo: `/${secret}` })
  await post('/reset-password', { token: secret, newPassword: secret.repeat(4) })
  await post('/send-verification-email', { email: `${secret}@example.com` })
  await ask(`GET /api/auth/callback/${secret.toUpperCase()}?code=${secret}&state=${secret} HTTP/1.1`, own, {})
  await ask(`GET /api/auth/error?error=${secret} HTTP/1.1`, own, {})
  await ask(`GET /api/auth/verify-email?token=${secret} HTTP/1.1`, own, {})
  await ask(`GET /public/x?code=${secret} HTTP/1.1`, [`Cookie: ${secret}`, `Referer: /${secret}`, `X-A: ${secret}`], {})
  await ask(`${signIn}`, [...own, `Content-Type: text/${secret}`], secret)
  t.notMatch(gateway.logged().toLowerCase(), secret)
})
