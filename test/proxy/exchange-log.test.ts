import t from 'tap'
import { Browser } from '../support/browser.ts'
import { startGatewayWithApp } from '../support/streaming-app.ts'
import { until } from '../support/until.ts'
import { dial } from '../support/websocket.ts'

interface Line {
  readonly requestId: string
  readonly path: string
  readonly status?: number
  readonly outcome: string
  readonly level: number
}
const [debug, info, warn] = [20, 30, 40]

t.test('every exchange ends in exactly one line with its outcome', async (t) => {
  const { gateway, ask, open, app } = await startGatewayWithApp(t, { UPSTREAM_TIMEOUT: '0.3', CLIENT_TIMEOUT: '0.3' })
  const ada = new Browser(gateway.url, gateway.publicUrl)
  await ada.signUp('ada')
  const cookie = `Cookie: ${ada.cookieHeader}`
  const linesOf = (id: string): Line[] =>
    gateway
      .logged()
      .split('\n')
      .filter((line) => line.includes(`"requestId":"${id}"`) && line.includes('"outcome"'))
      .map((line) => JSON.parse(line))
  const oneLine = async (id: string) => {
    await until(() => linesOf(id).length > 0)
    // Whatever else might be said about it is said in the same turns.
    await ask('/public/x', ['X-Request-Id: afterwards'])
    const lines = linesOf(id)
    t.equal(lines.length, 1, id)
    return lines[0]
  }
  const idOf = (id: string) => `X-Request-Id: ${id}`

  await ask('/public/x', [idOf('fine')])
  t.match(await oneLine('fine'), { status: 200, outcome: 'finished', level: debug, path: '/public/x' })

  for (const [path, expected] of [
    ['/public/x', { status: 200, outcome: 'finished', level: debug }],
    ['/public/dies', { status: 502, outcome: 'upstream broke off', level: warn, code: 'UPSTREAM_FAILED' }],
    ['/public/breaks', { status: 200, outcome: 'upstream broke off', level: warn }],
    ['/public/hang', { status: 504, outcome: 'timed out', level: warn }],
    ['/api/auth/nothing', { status: 404, outcome: 'finished', level: info }]
  ] as const) {
    const id = `with-body-${path.split('/').at(-1)}`
    await open(path, [idOf(id), 'Content-Length: 3', 'Connection: close', '', 'abc'], 'POST').then((wire) =>
      wire.closed()
    )
    t.match(await oneLine(id), expected)
  }
  const uploaded = await open('/public/lines', [idOf('left-after-upload'), 'Content-Length: 3', '', 'abc'], 'POST')
  await uploaded.until(/\{\}/)
  uploaded.destroy()
  t.match(await oneLine('left-after-upload'), { status: 200, outcome: 'client left', level: info })
  await ask('/%61pi/auth/reset-password/aSecretToken?callbackURL=/x', [idOf('token')])
  t.notMatch((await oneLine('token'))?.path, /Secret/)

  await ask('/session', [idOf('refused')])
  t.match(await oneLine('refused'), { status: 401, code: 'SESSION_REQUIRED', outcome: 'finished', level: info })

  await open('/public/lines?secret', [idOf('left')]).then(async (wire) => {
    await wire.until(/\{\}/)
    wire.destroy()
  })
  t.match(await oneLine('left'), { status: 200, outcome: 'client left', level: info, path: '/public/lines' })

  await open('/public/hang', [idOf('left-early')]).then(async (wire) => {
    await until(() => app.hanging.length > 0)
    wire.destroy()
  })
  const early = await oneLine('left-early')
  t.match(early, { outcome: 'client left', level: info })
  t.equal(early?.status, undefined, 'nothing was answered')

  await open('/public/breaks', [idOf('broke-off')]).then((wire) => wire.closed())
  t.match(await oneLine('broke-off'), { status: 200, outcome: 'upstream broke off', level: warn })

  await ask('/public/dies', [idOf('died')])
  t.match(await oneLine('died'), { status: 502, outcome: 'upstream broke off', level: warn })

  await ask('/public/hang', [idOf('late')])
  t.match(await oneLine('late'), { status: 504, outcome: 'timed out', level: warn })

  await open('/public/x', [idOf('slow-client'), 'Content-Length: 5'], 'POST').then((wire) => wire.closed())
  t.match(await oneLine('slow-client'), { status: 408, outcome: 'timed out' })

  const stream = await open('/events', [idOf('ended'), cookie])
  await stream.until(/data: 1/)
  const dialled = await dial(t, `ws://127.0.0.1:${gateway.port}/ws`, {
    headers: {
      host: new URL(gateway.publicUrl).host,
      cookie: ada.cookieHeader,
      origin: gateway.publicUrl,
      'x-request-id': 'socket'
    }
  })
  t.equal(dialled.status, 101)
  const own = await dial(t, `ws://127.0.0.1:${gateway.port}/public/ws`, {
    headers: { host: new URL(gateway.publicUrl).host, 'x-request-id': 'own-end' }
  })
  if ('socket' in own) own.socket.close(1000)
  t.match(await oneLine('own-end'), { status: 101, outcome: 'finished', level: debug })

  const handshake = [
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: eA=='
  ]
  await open('/public/ws-hang', [idOf('left-handshake'), ...handshake]).then(async (wire) => {
    await until(() => app.handshakes.length > 0)
    wire.destroy()
  })
  t.match(await oneLine('left-handshake'), { outcome: 'client left', level: info })
  await open('/session/ws', [idOf('refused-handshake'), ...handshake]).then((wire) => wire.closed())
  t.match(await oneLine('refused-handshake'), { status: 401, outcome: 'finished', level: info })

  const odd = await open('/public/x', ['no colon'])
  const { requestId } = JSON.parse((await odd.closed()).split('\r\n\r\n')[1] ?? '{}') as { requestId: string }
  t.match(await oneLine(requestId), { status: 400, code: 'REQUEST_MALFORMED', level: info })

  await ada.post('/api/auth/sign-out', {})
  await stream.until(/\r\n0\r\n\r\n$/)
  t.match(await oneLine('ended'), { status: 200, outcome: 'session ended', level: info })
  t.match(await oneLine('socket'), { status: 101, outcome: 'session ended', level: info })
})
