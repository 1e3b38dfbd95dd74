import type { BetterAuthPlugin } from 'better-auth'
import { createAuthEndpoint } from 'better-auth/api'
import t from 'tap'
import { z } from 'zod'
import { extensionProblems } from '../../auth/policy-auth-options.ts'
import { Device, startAuthApp } from '../support/auth-app.ts'

const judging = {
  method: 'GET',
  query: z.object({ address: z.string(), redirect: z.string().optional() })
} as const

/** Asks, as the sso plugin does, whether an address is trusted: one to read from or, with `redirect`, one to lead to. */
const asking = (path: string) =>
  createAuthEndpoint(path, judging, async ({ context, query: { address, redirect }, json }) =>
    json({
      trusted:
        redirect === undefined
          ? context.isTrustedOrigin(address)
          : context.isTrustedOrigin(address, { allowRelativePaths: false })
    })
  )
const plugin: BetterAuthPlugin = {
  id: 'asking',
  endpoints: {
    sso: asking('/sso/ask'),
    signIn: asking('/sign-in/sso'),
    other: asking('/other'),
    alike: asking('/ssoo')
  }
}

t.test('an identity provider on another domain is trusted by the sso plugin, and nowhere else', async (t) => {
  const target = await startAuthApp(t, {
    extension: { identityProviders: ['https://login.example.net', 'https://idp.example.org:8443'], plugins: [plugin] }
  })
  const device = new Device(target)
  const ask = async (path: string, address: string, more = '') =>
    (
      (await (await new Device(target).fetch(`${path}?address=${encodeURIComponent(address)}${more}`)).json()) as {
        trusted: boolean
      }
    ).trusted
  for (const path of ['/sso/ask', '/sign-in/sso']) {
    t.equal(await ask(path, 'https://login.example.net/.well-known/openid-configuration'), true)
    t.equal(await ask(path, 'https://idp.example.org:8443/token'), true)
    t.equal(await ask(path, 'https://login.example.net/', '&redirect=1'), false, 'nobody is sent there')
    for (const address of [
      'https://evil.example/',
      'http://login.example.net/',
      'https://login.example.net:444/',
      'https://login.example.net.evil.example/',
      'https://login.example.net@evil.example/',
      'https://idp.example.org/',
      `https://login.example.net${'.'.repeat(400)}/`,
      'no address'
    ])
      t.equal(await ask(path, address), false, address)
  }
  for (const path of ['/other', '/ssoo']) t.equal(await ask(path, 'https://login.example.net/'), false, path)
  const post = await device.post(
    '/sign-in/email',
    { email: 'a@example.org', password: 'x' },
    { origin: 'https://login.example.net' }
  )
  t.equal(post.status, 403, 'its pages may send nothing')
})

t.test('none is trusted by default', async (t) => {
  const target = await startAuthApp(t, { extension: { plugins: [plugin] } })
  const answer = await new Device(target).fetch('/sso/ask?address=https://login.example.net/')
  t.same(await answer.json(), { trusted: false })
})

t.test('each is an https origin', async (t) => {
  t.same(extensionProblems({ identityProviders: ['https://login.example.net', 'https://idp.example.org:8443'] }), [])
  const wrong = ['http://login.example.net', 'https://login.example.net/', 'https://*.example.net', 'login', 7, null]
  t.equal(extensionProblems({ identityProviders: wrong }).length, wrong.length)
  t.match(extensionProblems({ identityProviders: 'https://login.example.net' }), [/must be a list/])
})
