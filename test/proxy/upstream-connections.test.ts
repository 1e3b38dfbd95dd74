import t from 'tap'
import { Browser } from '../support/browser.ts'
import { startGatewayWithApp } from '../support/streaming-app.ts'
import { until } from '../support/until.ts'

const from = (address: string) => [`X-Forwarded-For: ${address}`]

t.test('a request that finds no connection waits for one, and is 503 UPSTREAM_BUSY when none comes free', async (t) => {
  const { app, open, ask } = await startGatewayWithApp(t, { UPSTREAM_CONNECTIONS: '2' })
  await open('/public/hang')
  await open('/public/hang')
  await until(() => app.hanging.length === 2)
  const refused = await ask('/public/x')
  t.equal(refused.status, 503)
  t.match(refused.json(), { code: 'UPSTREAM_BUSY' })
  t.match(refused.only('retry-after'), /^[1-9]\d*$/)

  const waiting = await open('/public/x')
  await open('/public/y').then((wire) => wire.destroy())
  app.hanging[0]?.end('done')
  await waiting.until(/HTTP\/1\.1 200 [\s\S]*ok/)
  t.pass('the one that waited is served as soon as one is free')
})

t.test('more wait than may wait are refused at once', async (t) => {
  const { app, open } = await startGatewayWithApp(t, { UPSTREAM_CONNECTIONS: '3' })
  for (let i = 0; i < 3; i++) await open('/public/hang')
  await until(() => app.hanging.length === 3)
  const others = await Promise.all(Array.from({ length: 8 }, () => open('/public/x')))
  const answers = await Promise.all(others.map((wire) => wire.until(/UPSTREAM_BUSY/)))
  t.equal(answers.length, 8)
})

t.test('streams and downloads do not use up the connections for requests', async (t) => {
  const { open, ask, gateway } = await startGatewayWithApp(t, { UPSTREAM_CONNECTIONS: '1' })
  for (let i = 0; i < 20; i++) await open('/public/events').then((wire) => wire.until(/data: 1/))
  const slow = await open('/public/lines')
  await slow.until(/\{\}/)
  // The slow one takes the only place, until it has gone on for five seconds and counts among those that last.
  await until(async () => (await ask('/public/x')).status === 200)
  t.notMatch(gateway.logged(), /uncaught/i)
})

t.test('one stranger’s ten thousand streams leave another’s request alone', async (t) => {
  const { open, ask } = await startGatewayWithApp(t, {
    UPSTREAM_CONNECTIONS: '256',
    LIVE_CONNECTIONS: '300',
    LIVE_CONNECTIONS_PER_ADDRESS: '100'
  })
  let streaming = 0
  let refused = 0
  const others: number[] = []
  for (let wave = 0; wave < 100; wave++) {
    const wires = await Promise.all(Array.from({ length: 100 }, () => open('/public/events', from('198.51.100.1'))))
    const answers = await Promise.all(wires.map((wire) => wire.until(/data: 1|RATE_LIMITED/, 60_000)))
    for (const [i, answer] of answers.entries()) {
      if (answer.includes('RATE_LIMITED')) {
        refused++
        wires[i]?.destroy()
      } else streaming++
    }
    if (wave % 10 === 0) others.push((await ask('/public/x', from('203.0.113.9'))).status)
  }
  t.equal(streaming, 100)
  t.equal(refused, 9_900)
  t.ok(others.every((status) => status === 200))
  const neighbour = await open('/public/events', from('203.0.113.9'))
  await neighbour.until(/data: 1/)
  t.pass('another address has streams of its own')
})

t.test('an IPv6 network of one customer is one stranger', async (t) => {
  const { open } = await startGatewayWithApp(t, { LIVE_CONNECTIONS_PER_ADDRESS: '2' })
  for (const address of ['2001:db8::1', '2001:db8:0:0:ffff::2'])
    await open('/public/events', from(address)).then((wire) => wire.until(/data: 1/))
  await open('/public/events', from('2001:db8::3')).then((wire) => wire.until(/RATE_LIMITED/))
  await open('/public/events', from('2001:db8:0:1::3')).then((wire) => wire.until(/data: 1/))
  t.pass()
})

t.test('one client’s slow requests are half of all at most', async (t) => {
  const { app, open, ask } = await startGatewayWithApp(t, { UPSTREAM_CONNECTIONS: '64' })
  const wires = await Promise.all(Array.from({ length: 64 }, () => open('/public/hang', from('198.51.100.1'))))
  await until(() => wires.filter((wire) => wire.received().includes('RATE_LIMITED')).length >= 32)
  t.ok(app.hanging.length <= 32, `${app.hanging.length} at work`)
  t.equal((await ask('/public/x', from('203.0.113.9'))).status, 200)
  for (const response of app.hanging) response.end()
})

t.test('a session has its own share of what lasts, WebSockets included, and gets it back', async (t) => {
  const { gateway, open } = await startGatewayWithApp(t, { LIVE_CONNECTIONS_PER_SESSION: '2' })
  const ada = new Browser(gateway.url, gateway.publicUrl)
  await ada.signUp('ada')
  const headers = [`Cookie: ${ada.cookieHeader}`, `Origin: ${gateway.publicUrl}`]
  const first = await open('/events', headers)
  await first.until(/data: 1/)
  await open('/events', headers).then((wire) => wire.until(/data: 1/))
  const upgrade = [
    ...headers,
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: eA=='
  ]
  await open('/ws', upgrade).then((wire) => wire.until(/429 [\s\S]*RATE_LIMITED/))
  first.destroy()
  await until(async () => {
    const wire = await open('/events', headers)
    const answer = await wire.until(/data: 1|RATE_LIMITED/)
    return answer.includes('data: 1')
  })
  t.pass()
})
