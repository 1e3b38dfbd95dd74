import { apiKey } from '@better-auth/api-key'
import { oauthProvider } from '@better-auth/oauth-provider'
import { passkey } from '@better-auth/passkey'
import { jwt } from 'better-auth/plugins'
import t from 'tap'
import { Device, startAuthApp } from '../support/auth-app.ts'

// These plugins pin an older better-call than BetterAuth does. `overrides` in package.json gives them all the same one.

t.test('plugins that are packages of their own make their tables and work with the installed BetterAuth', async (t) => {
  const target = await startAuthApp(t, {
    extension: {
      plugins: [
        jwt(),
        apiKey(),
        passkey(),
        oauthProvider({ loginPage: '/auth/sign-in', consentPage: '/consent', allowDynamicClientRegistration: true })
      ]
    }
  })
  const device = new Device(target)
  const userId = await device.signUp('ada@example.org')

  const made = await device.post('/api-key/create', { name: 'nightly' })
  t.equal(made.status, 200)
  const { key } = (await made.json()) as { key: string }
  const verify = 'verifyApiKey' in target.auth.api ? target.auth.api.verifyApiKey : undefined
  t.type(verify, 'function')
  if (typeof verify !== 'function') return
  t.match(await verify({ body: { key } }), { valid: true, key: { referenceId: userId } })
  t.match(await verify({ body: { key: `${key}x` } }), { valid: false })

  const options = await device.fetch('/passkey/generate-register-options')
  t.match(await options.json(), { rp: { id: 'localhost' }, user: { name: 'ada@example.org' } })

  const found = await device.fetch('/.well-known/openid-configuration')
  t.match(await found.json(), { issuer: 'http://localhost:8080/api/auth' })
  const registered = await device.post('/oauth2/register', {
    client_name: 'a program',
    redirect_uris: ['https://program.example/callback'],
    token_endpoint_auth_method: 'none'
  })
  t.equal(registered.status, 201)
  const client = (await registered.json()) as { client_id: string }
  const query = new URLSearchParams({
    client_id: client.client_id,
    response_type: 'code',
    redirect_uri: 'https://program.example/callback',
    scope: 'openid',
    state: 's',
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    code_challenge_method: 'S256'
  })
  // To `fetch` the plugin answers with the address instead of a redirect.
  const sentTo = async (from: Device) => JSON.stringify(await (await from.fetch(`/oauth2/authorize?${query}`)).json())
  t.match(await sentTo(new Device(target)), /"url":"[^"]*\/auth\/sign-in\?/)
  t.match(await sentTo(device), /"url":"[^"]*\/consent\?/)
})
