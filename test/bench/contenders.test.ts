import t from 'tap'
import { Cleanup } from '../../bench/cleanup.ts'
import { getSession, getSessionCookieCache } from '../../bench/contenders/get-session.ts'
import { httpProxy } from '../../bench/contenders/http-proxy.ts'
import { nodeUndici } from '../../bench/contenders/node-undici.ts'
import { Stage } from '../../bench/stage.ts'

// Contenders run only in a whole benchmark, so nobody would otherwise notice one that a change of ours has broken.
t.test('whatever the gateway is measured against answers what is asked of it', async (t) => {
  const cleanup = new Cleanup()
  t.teardown(() => cleanup.run())
  const stage = new Stage(cleanup)
  for (const contender of [httpProxy, nodeUndici, getSession, getSessionCookieCache]) {
    const { load } = await contender.start(stage)
    const response = await fetch(load.url, { headers: load.headers })
    t.equal(response.status, load.status, contender.name)
    t.match(await response.json(), { ok: true })
  }
})
