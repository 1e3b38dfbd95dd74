import t from 'tap'
import { Browser } from '../support/browser.ts'
import { startTestGateway } from '../support/gateway.ts'
import { startRawUpstream } from '../support/raw-upstream.ts'
import { until } from '../support/until.ts'

// Response queue poisoning: what an upstream says while nobody has asked must not become the answer to the next person.

const ok = (body: string) => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`
const upstream = await startRawUpstream(t, ({ socket }, head) => {
  const who = /x-user-email: (\S+)/i.exec(head)?.[1] ?? 'nobody'
  socket.write(ok(`for ${who}`))
})
const gateway = await startTestGateway(t, { upstreamUrl: upstream.url })
const ada = new Browser(gateway.url, gateway.publicUrl)
const grace = new Browser(gateway.url, gateway.publicUrl)
await ada.signUp('ada')
await grace.signUp('grace')

for (const [name, unasked] of Object.entries({
  'a whole response': ok('the secrets of ada'),
  'a response whose body is still to come': 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nthe secrets of ada',
  'half a head': 'HTTP/1.1 200 OK\r\nX-Secret: the secrets of ada\r\nContent-Le',
  'an interim response': 'HTTP/1.1 103 Early Hints\r\nLink: </secrets-of-ada>\r\n\r\n',
  'a new protocol': 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nthe secrets of ada',
  'no HTTP at all': '\0\0\0the secrets of ada'
})) {
  t.test(`${name} on an idle connection reaches nobody`, async (t) => {
    t.equal((await ada.ask('/me')).text, 'for ada@example.com')
    const { socket } = upstream.connections.at(-1) ?? {}
    if (socket === undefined) throw new Error('there is no connection')
    socket.write(unasked)
    await until(() => socket.destroyed || socket.readableEnded)
    for (let i = 0; i < 3; i++) {
      const answer = await grace.ask('/me')
      t.equal(answer.text, 'for grace@example.com')
      t.notMatch(JSON.stringify(answer.headers), /secret/i)
    }
  })
}
