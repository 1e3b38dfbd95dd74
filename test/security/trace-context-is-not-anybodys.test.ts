import t from 'tap'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { noDatabase } from '../support/processes.ts'
import { askRaw } from '../support/wire.ts'

const upstream = await startEchoUpstream(t)
upstream.server.on('upgrade', (request, socket) => {
  upstream.requests.push(request)
  socket.end('HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n')
})
const context = [
  'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  'tracestate: rojo=00f067aa0ba902b7',
  'baggage: tenant=other'
]
const spelled = [...context, 'TraceParent: lie', 'TRACESTATE: lie', 'Baggage: lie']
const upgrade = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: eA==']

async function asker(trusted: string, drop: readonly string[] = []) {
  const gateway = await startTestGateway(t, {
    upstreamUrl: upstream.url,
    env: { ...noDatabase, TRUSTED_PROXIES: trusted },
    policy: { routes: [{ path: '/public/*', access: 'public' }], headers: { drop, pass: [] } }
  })
  const host = `Host: ${new URL(gateway.publicUrl).host}`
  return async (...lines: string[]) => {
    const before = upstream.requests.length
    await askRaw(gateway.port, 'GET /public/x HTTP/1.1', [host, ...lines])
    const { rawHeaders = [] } = upstream.requests[before] ?? {}
    return rawHeaders.flatMap((name, at) =>
      at % 2 === 0 && /^(?:trace|baggage)/i.test(name) ? [`${name}: ${rawHeaders[at + 1]}`] : []
    )
  }
}

t.test('a client that nobody trusts puts its requests into no trace', async (t) => {
  for (const trusted of ['', '10.0.0.0/8']) {
    const ask = await asker(trusted)
    t.same(await ask(...spelled), [], `TRUSTED_PROXIES=${trusted}`)
    t.same(await ask(...spelled, ...upgrade), [], 'an upgrade')
    t.same(await ask(...spelled, 'X-Forwarded-For: 10.1.1.1'), [], 'what it says of its address changes nothing')
  }
})

t.test('the trace of a trusted proxy goes on, whoever its client is', async (t) => {
  const ask = await asker('loopback')
  t.same(await ask(...context), context)
  t.same(await ask(...context, ...upgrade), context)
  t.same(await ask(...context, 'X-Forwarded-For: 203.0.113.9'), context)
})

t.test('the policy can drop what a trusted proxy says', async (t) => {
  const ask = await asker('loopback', ['baggage'])
  t.same(await ask(...context), context.slice(0, 2))
})
