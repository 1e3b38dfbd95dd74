import t from 'tap'
import { WebSocketServer } from 'ws'
import { openDatabase } from '../../db/open-database.ts'
import { Browser } from '../support/browser.ts'
import { eachDatabase } from '../support/databases.ts'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { migrateOnce } from '../support/embedded-database.ts'
import { startTestGateway } from '../support/gateway.ts'
import { until } from '../support/until.ts'
import { closing, mustDial } from '../support/websocket.ts'

// What listens there hears as little as through a pooler that lends connections by the transaction: LISTEN is taken,
// the connection is well, and nothing ever comes.
await eachDatabase(
  t,
  async (t, { env, options, postgres }) => {
    if (postgres === undefined) throw new Error('a server is needed')
    const elsewhere = await postgres.createDatabase()
    await migrateOnce({ driver: 'pg', url: elsewhere })
    const patience = { connectionTimeoutMs: 1_000 }

    t.test('who would hear nothing is told so instead of listening', async (t) => {
      const database = await openDatabase({ ...options, ...patience, unpooledUrl: elsewhere })
      t.teardown(() => database.close())
      const refusal = () =>
        database.listen('gatehouse', t.fail, t.fail).then(
          () => 'it listens',
          (error: { code?: string }) => error.code
        )
      await until(async () => (await refusal()) === 'NOTIFICATIONS_NOT_HEARD')
    })

    t.test('a gateway that hears nothing says so, and looks after open connections itself', async (t) => {
      const upstream = await startEchoUpstream(t)
      const webSockets = new WebSocketServer({ server: upstream.server })
      t.teardown(() => webSockets.close())
      const gateway = await startTestGateway(t, {
        upstreamUrl: upstream.url,
        env: { ...env, DATABASE_URL_UNPOOLED: elsewhere, SESSION_CACHE_TTL: '1' },
        database: patience
      })
      await until(() => gateway.logged().includes('session events are not heard'))
      const report = await (await fetch(`${gateway.adminUrl}/readyz`)).text()
      t.match(report, '"degraded":["session-events"]')

      const ada = new Browser(gateway.url, gateway.publicUrl)
      await ada.signUp('ada')
      const headers = { host: new URL(gateway.publicUrl).host, cookie: ada.cookieHeader }
      const { socket } = await mustDial(t, `${gateway.url.replace('http', 'ws')}/chat`, { headers })
      const closed = closing(socket)
      const database = await openDatabase(options)
      t.teardown(() => database.close())
      await database.withDirectClient(({ query }) => query('delete from session'))
      t.same(await closed, { code: 1008, reason: 'session ended' })
      await until(async () => (await ada.ask('/me')).status === 401)
      t.equal(gateway.logged().split('session events are not heard').length, 2, 'it is said once')
    })
  },
  ['pg', 'neon']
)
