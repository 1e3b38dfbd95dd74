import t from 'tap'
import { WebSocketServer } from 'ws'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { until } from '../support/until.ts'
import { closing, mustDial } from '../support/websocket.ts'

t.test('a WebSocket that opens while the gateway closes is told so too', async (t) => {
  const upstream = await startEchoUpstream(t)
  const webSockets = new WebSocketServer({ noServer: true })
  let answer: (() => void) | undefined
  upstream.server.on('upgrade', (request, socket, head) => {
    answer = () => webSockets.handleUpgrade(request, socket, head, () => {})
  })
  const gateway = await startTestGateway(t, { upstreamUrl: upstream.url })
  const headers = { host: new URL(gateway.publicUrl).host }
  const dialling = mustDial(t, `${gateway.url.replace('http', 'ws')}/public/chat`, { headers })
  await until(() => answer !== undefined)
  // Far longer than the test may take.
  const closed = gateway.close({ delayMs: 0, timeoutMs: 600_000 })
  answer?.()
  const { socket } = await dialling
  t.same(await closing(socket), { code: 1001, reason: 'going away' })
  await closed
})
