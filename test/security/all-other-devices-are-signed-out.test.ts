import { admin } from 'better-auth/plugins/admin'
import t from 'tap'
import { adminDatabase, withAdmin } from '../support/admin-plugin.ts'
import { Browser } from '../support/browser.ts'
import { eachDatabase } from '../support/databases.ts'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { giveSessions } from '../support/many-sessions.ts'
import { sendForm } from '../support/pages.ts'
import { until } from '../support/until.ts'

// BetterAuth lists a hundred sessions, ends those, and says that it ended all: the thief's was the hundred and first.

const secret = 'one secret for all replicas of this test'
const password = 'correct horse battery'
// More than any batch of ours, too.
const many = 1_205

await eachDatabase(
  t,
  async (t, { env, options, postgres, publicUrl }) => {
    if (postgres === undefined || options.url === undefined) throw new Error('needs a server')
    const { url } = options
    await adminDatabase(t, { options })
    const upstream = await startEchoUpstream(t)
    const gateway = await startTestGateway(t, {
      upstreamUrl: upstream.url,
      policy: {
        routes: [],
        auth: { ...withAdmin, plugins: [admin()], sendResetPassword: async (mail) => void mails.push(mail.token) }
      },
      env: {
        ...env,
        BETTER_AUTH_URL: publicUrl,
        BETTER_AUTH_SECRET: secret,
        SESSION_EVENTS: 'off',
        SESSION_CACHE_TTL: '600'
      }
    })
    const mails: string[] = []

    /** Somebody with so many other devices, some of which the gateway has just let in. */
    async function somebody(name: string) {
      const browser = new Browser(gateway.url, gateway.publicUrl)
      await browser.signUp(name)
      const sessions = await giveSessions(
        postgres as NonNullable<typeof postgres>,
        url as string,
        browser,
        secret,
        many
      )
      const statuses = async () => {
        const answers = []
        for (const n of [1, 100, 101, 102, 555, 1_001, many])
          answers.push(
            (
              await new Browser(gateway.url, gateway.publicUrl).ask('/me', {
                headers: { cookie: sessions.cookieOf(n) }
              })
            ).status
          )
        return [...new Set(answers)]
      }
      return { browser, sessions, statuses }
    }

    const ways: Record<
      string,
      { ask: (browser: Browser, name: string) => Promise<unknown>; left: number; me: number }
    > = {
      '/api/auth/revoke-other-sessions': {
        ask: (browser) => browser.post('/api/auth/revoke-other-sessions'),
        left: 1,
        me: 200
      },
      'the button of the account page': {
        ask: (browser) => sendForm(browser, '/auth/account/devices/revoke-others', {}),
        left: 1,
        me: 200
      },
      '/api/auth/revoke-sessions': { ask: (browser) => browser.post('/api/auth/revoke-sessions'), left: 0, me: 401 },
      'a password change that revokes': {
        ask: (browser) =>
          browser.post('/api/auth/change-password', {
            currentPassword: password,
            newPassword: 'another fine passphrase',
            revokeOtherSessions: true
          }),
        left: 0,
        me: 200
      },
      'a password reset': {
        async ask(browser, name) {
          await browser.post('/api/auth/request-password-reset', { email: `${name}@example.com` })
          await until(() => mails.length > 0)
          return browser.post('/api/auth/reset-password', {
            newPassword: 'another fine passphrase',
            token: mails.pop()
          })
        },
        left: 0,
        me: 401
      },
      'the end of the account': {
        ask: (browser) => browser.post('/api/auth/delete-user', { password }),
        left: 0,
        me: 401
      },
      'a ban by an administrator': {
        async ask(browser, name) {
          const boss = new Browser(gateway.url, gateway.publicUrl)
          await boss.signUp(`boss-of-${name}`)
          await postgres?.query(`update "user" set role = 'admin' where email = 'boss-of-${name}@example.com'`, url)
          const { user } = (await browser.ask('/api/auth/get-session')).json() as { user: { id: string } }
          return boss.post('/api/auth/admin/ban-user', { userId: user.id })
        },
        left: 0,
        me: 401
      }
    }
    let people = 0
    for (const [way, { ask, left, me }] of Object.entries(ways)) {
      t.test(`${way} ends every session that it says it ends, not a hundred`, async (t) => {
        const name = `person${people++}`
        const { browser, sessions, statuses } = await somebody(name)
        t.same(await statuses(), [200])
        t.match(await ask(browser, name), { status: /200|303/ })
        t.equal(await sessions.left(), left)
        t.same(await statuses(), [401])
        t.equal((await browser.ask('/me')).status, me)
      })
    }

    t.test('a session that a hook of the policy keeps does not keep the others', async (t) => {
      const keeping = await startTestGateway(t, {
        upstreamUrl: upstream.url,
        policy: {
          routes: [],
          auth: { databaseHooks: { session: { delete: { before: async ({ token }) => !/-(7|600)$/.test(token) } } } }
        },
        env: { ...env, BETTER_AUTH_URL: publicUrl, BETTER_AUTH_SECRET: secret }
      })
      const browser = new Browser(keeping.url, keeping.publicUrl)
      await browser.signUp('keeper')
      const sessions = await giveSessions(postgres, url, browser, secret, many)
      t.equal((await browser.post('/api/auth/revoke-other-sessions')).status, 200)
      t.equal(await sessions.left(), 3)
    })

    t.test('/api/auth/list-sessions lists more than a hundred', async (t) => {
      const { browser } = await somebody('lister')
      const answer = await browser.ask('/api/auth/list-sessions')
      t.equal((answer.json() as unknown[]).length, 1_000, 'which is where it ends')
    })
  },
  ['pg']
)
