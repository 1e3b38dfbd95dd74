import t from 'tap'
import { type Backend, startBalancer } from '../support/balancer.ts'
import { Browser } from '../support/browser.ts'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.ts'
import { load } from '../support/load.ts'
import { until } from '../support/until.ts'
import { migratedDatabase } from '../support/workers.ts'

t.test('two replicas are restarted one after the other under load, and no request fails', async (t) => {
  const upstream = await startEchoUpstream(t)
  const balancer = await startBalancer(t)
  const publicUrl = `http://localhost:${balancer.port}`
  const database = await migratedDatabase(t)

  async function startReplica(): Promise<{ gateway: GatewayProcess; backend: Backend }> {
    const gateway = await startGatewayProcess(t, {
      DATABASE_URL: database,
      DATA_DIR: t.testdirName,
      BETTER_AUTH_SECRET: 'one secret for both of the replicas',
      BETTER_AUTH_URL: publicUrl,
      UPSTREAM_URL: upstream.url,
      TRUSTED_PROXIES: 'loopback',
      DRAIN_DELAY: '4'
    })
    const port = Number(/"port":(\d+)/.exec(gateway.stdout())?.[1])
    return { gateway, backend: { port, readyUrl: `${gateway.adminUrl}/readyz` } }
  }

  const replicas = await Promise.all([startReplica(), startReplica()])
  for (const { backend } of replicas) balancer.add(backend)
  await until(() => balancer.ready() === 2)
  const ada = new Browser(`http://127.0.0.1:${balancer.port}`, publicUrl)
  t.equal((await ada.signUp('ada')).status, 200)
  const headers = { cookie: ada.cookieHeader, origin: publicUrl }

  let over = false
  const running = load(
    t,
    publicUrl,
    [
      { path: '/me', headers },
      { path: '/items', method: 'POST', headers, body: 'x'.repeat(20_000) },
      // Of many addresses: one may not ask BetterAuth as often as this load does.
      ...Array.from({ length: 40 }, (_, i) => ({
        path: i % 3 === 0 ? '/api/auth/get-session' : '/me',
        headers: { ...headers, 'x-forwarded-for': `203.0.113.${i}` }
      }))
    ],
    () => !over
  )
  try {
    for (const { gateway, backend } of replicas) {
      gateway.child.kill('SIGTERM')
      t.equal(await gateway.exited(), 0)
      balancer.remove(backend)
      const next = await startReplica()
      balancer.add(next.backend)
      await until(() => balancer.ready() === 2)
    }
  } finally {
    over = true
  }
  const { answered, failures } = await running
  t.same(failures, [])
  t.ok(answered > 200, `${answered} were answered`)
})
