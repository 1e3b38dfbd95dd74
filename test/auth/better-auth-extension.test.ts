import { createAuthMiddleware } from 'better-auth/api'
import { magicLink } from 'better-auth/plugins/magic-link'
import t from 'tap'
import { Device, startAuthApp } from '../support/auth-app.ts'

/** Google as BetterAuth knows it, without asking Google who the token belongs to. */
const vouchingGoogle = {
  clientId: 'id',
  clientSecret: 'secret',
  verifyIdToken: async () => true,
  getUserInfo: async () => ({
    user: { email: 'eve@example.org', name: 'Eve', emailVerified: true },
    data: {
      sub: 'google-1',
      aud: 'id',
      azp: 'id',
      iss: 'https://accounts.google.com',
      iat: 0,
      exp: 0,
      email: 'eve@example.org',
      email_verified: true,
      name: 'Eve',
      given_name: 'Eve',
      family_name: '',
      picture: ''
    }
  })
}

t.test('a social provider of the policy file signs in at that provider', async (t) => {
  const target = await startAuthApp(t, {
    extension: { socialProviders: { github: { clientId: 'an-id', clientSecret: 'a-secret' } } }
  })
  const response = await new Device(target).post('/sign-in/social', { provider: 'github', callbackURL: '/' })
  const there = new URL(response.headers.get('location') ?? '')
  t.equal(there.origin, 'https://github.com')
  t.equal(there.searchParams.get('client_id'), 'an-id')
  t.equal(there.searchParams.get('redirect_uri'), `${target.publicUrl}/api/auth/callback/github`)
})

t.test('a plugin of the policy file works, and its sign-in is a session like any other', async (t) => {
  let link = ''
  const plugin = magicLink({
    sendMagicLink: async ({ url }) => {
      link = url
    }
  })
  const target = await startAuthApp(t, { extension: { plugins: [plugin] } })
  const device = new Device(target)
  const asked = await device.post('/sign-in/magic-link', { email: 'ada@example.org', name: 'Ada' })
  t.equal(asked.status, 200)
  await device.fetch(new URL(link))
  t.equal((await device.client.getSession()).data?.user.email, 'ada@example.org')
})

t.test("the policy file's hooks run beside the gateway's, which they cannot displace", async (t) => {
  const ran: string[] = []
  const guessed = { email: 'ada@example.org', password: 'wrong horse' }
  const target = await startAuthApp(t, {
    limits: { failedSignInsPerAddress: { points: 1, seconds: 900 } },
    extension: {
      hooks: {
        before: createAuthMiddleware(async (ctx) => {
          ran.push(`before ${ctx.path}`)
        }),
        after: createAuthMiddleware(async (ctx) => {
          ran.push(`after ${ctx.path}`)
        })
      },
      databaseHooks: {
        session: {
          delete: {
            after: async () => {
              ran.push('session deleted')
              throw new Error('a hook of the policy file failed')
            }
          }
        }
      }
    }
  })
  const device = new Device(target)
  await device.signUp('ada@example.org')
  t.same(ran, ['before /sign-up/email', 'after /sign-up/email'])

  t.equal((await device.post('/sign-in/email', guessed)).status, 401)
  ran.length = 0
  t.equal((await device.post('/sign-in/email', guessed)).status, 429)
  t.same(ran, [], 'the limit comes first')

  const token = (await device.client.getSession()).data?.session.token ?? ''
  await device.post('/sign-out', {})
  t.ok(ran.includes('session deleted'))
  t.ok(target.sessionsChanged.includes(token), 'the gateway heard of it before that hook failed')
})

t.test('PUBLIC_SIGN_UP=false', async (t) => {
  let link = ''
  const target = await startAuthApp(t, {
    publicSignUp: false,
    extension: {
      socialProviders: { google: vouchingGoogle },
      plugins: [
        magicLink({
          sendMagicLink: async ({ url }) => {
            link = url
          }
        })
      ]
    }
  })

  t.test('refuses to sign up by password', async (t) => {
    const answer = await new Device(target).post('/sign-up/email', {
      email: 'eve@example.org',
      password: 'correct horse',
      name: 'Eve'
    })
    t.equal(answer.status, 400)
    t.match(await answer.json(), { code: 'EMAIL_PASSWORD_SIGN_UP_DISABLED' })
  })

  t.test('refuses to sign up through a plugin', async (t) => {
    const device = new Device(target)
    await device.post('/sign-in/magic-link', { email: 'eve@example.org', name: 'Eve' })
    const answer = await device.fetch(new URL(link))
    t.not(answer.status, 200)
    t.equal(device.cookies.size, 0)
    const users = await target.database.db.query.user.findMany()
    t.same(users, [])
  })

  t.test('refuses to sign up at a social provider', async (t) => {
    const device = new Device(target)
    const answer = await device.post('/sign-in/social', { provider: 'google', idToken: { token: 'a-token' } })
    t.equal(answer.status, 401)
    t.equal(device.cookies.size, 0)
    t.same(await target.database.db.query.user.findMany(), [])
  })

  t.test("lets the operator's own code make users, who then sign in", async (t) => {
    const { internalAdapter } = await target.auth.$context
    const user = { email: 'ada@example.org', name: 'Ada', emailVerified: true }
    const { id } = await internalAdapter.createUser(user, { method: 'email-password' })
    const device = new Device(target)
    await device.post('/sign-in/magic-link', { email: 'ada@example.org' })
    await device.fetch(new URL(link))
    t.equal((await device.client.getSession()).data?.user.id, id)
  })
})

t.test('with sign-up open the same social provider makes a user', async (t) => {
  const target = await startAuthApp(t, { extension: { socialProviders: { google: vouchingGoogle } } })
  const device = new Device(target)
  await device.post('/sign-in/social', { provider: 'google', idToken: { token: 'a-token' } })
  t.equal((await device.client.getSession()).data?.user.email, 'eve@example.org')
})
