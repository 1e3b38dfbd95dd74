import t from 'tap'
import { Browser } from '../support/browser.ts'
import { eachDatabase } from '../support/databases.ts'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'

// Its channel for events asks the database every few seconds whether it is still there.
const quiet = { SESSION_EVENTS: 'off' }

// Counted at the database, in its own log of statements.
await eachDatabase(
  t,
  async (t, { env, postgres }) => {
    if (postgres === undefined) throw new Error('the statements of this database cannot be counted')
    const upstream = await startEchoUpstream(t)
    const start = () =>
      startTestGateway(t, { upstreamUrl: upstream.url, env: { ...env, DATA_DIR: t.testdirName, ...quiet } })
    const gateway = await start()
    const ada = new Browser(gateway.url, gateway.publicUrl)
    await ada.signUp('ada')
    const ask50 = (cookie: (i: number) => string, path = '/me') =>
      Promise.all(Array.from({ length: 50 }, (_, i) => ada.ask(path, { headers: { cookie: cookie(i) } })))

    t.test('fifty simultaneous first requests with one cookie make one query', async (t) => {
      const statements = await postgres.statementsDuring(async () => {
        const answers = await ask50(() => ada.cookieHeader)
        t.ok(answers.every(({ status }) => status === 200))
      })
      t.equal(statements.length, 1, statements.join('\n'))
    })

    t.test('a known session makes none', async (t) => {
      t.same(await postgres.statementsDuring(() => ask50(() => ada.cookieHeader)), [])
    })

    t.test('fifty forged cookies make none', async (t) => {
      const name = ada.sessionCookie
      const value = decodeURIComponent(ada.cookies.get(name) ?? '')
      const token = value.slice(0, value.indexOf('.'))
      const statements = await postgres.statementsDuring(async () => {
        const answers = await ask50((i) => `${name}=${encodeURIComponent(`${token}.${'A'.repeat(41)}${i % 10}E=`)}`)
        t.ok(answers.every(({ status }) => status === 401))
      })
      t.same(statements, [])
    })

    t.test('a public route makes none, whatever the cookie', async (t) => {
      t.same(await postgres.statementsDuring(() => ask50(() => ada.cookieHeader, '/public/x')), [])
    })

    t.test('a well-signed cookie of a session that is over makes one, not one a request', async (t) => {
      const cookie = ada.cookieHeader
      await ada.signOut()
      const statements = await postgres.statementsDuring(async () => {
        for (let i = 0; i < 5; i++) t.equal((await ada.ask('/me', { headers: { cookie } })).status, 401)
      })
      t.equal(statements.length, 1, statements.join('\n'))
    })
  },
  ['pg', 'neon']
)
