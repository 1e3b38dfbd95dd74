import type { ServerResponse } from 'node:http'
import t from 'tap'
import { waitingAtMost } from '../../proxy/pipelined-requests.ts'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startOpenGatewayProcess } from '../support/processes.ts'
import { until } from '../support/until.ts'
import { askRaw, openWire } from '../support/wire.ts'

// One answer that does not end, and requests behind it for ever: each takes kilobytes while it waits.

let held: ServerResponse[] = []
const upstream = await startEchoUpstream(t, (request, response) => {
  if (request.url === '/public/held') held.push(response)
  else response.end('<answered>')
})
const gateway = await startOpenGatewayProcess(t, upstream.url)
const host = `Host: ${new URL(gateway.publicUrl).host}`
const get = (path: string, of = host) => `GET ${path} HTTP/1.1\r\n${of}\r\n\r\n`

t.beforeEach(() => {
  held = []
})

t.test('a hundred requests may wait for the one before them', async (t) => {
  const wire = await openWire(gateway.port)
  const answered = () => wire.received().split('<answered>').length - 1
  // And as many again, once they have been answered.
  for (const round of [1, 2]) {
    wire.write(get('/public/held') + get('/public/x').repeat(waitingAtMost))
    await until(() => held.length === round)
    held.at(-1)?.end('<answered>')
    await until(() => answered() === round * (waitingAtMost + 1))
  }
  t.equal(answered(), 2 * (waitingAtMost + 1))
  wire.destroy()
})

t.test('one more ends the connection, whatever they ask for', async (t) => {
  for (const behind of [get('/public/x'), get('/private'), get('//'), get('/public/x', 'Host: evil.example')]) {
    const wire = await openWire(gateway.port)
    const seen = held.length
    wire.write(get('/public/held'))
    await until(() => held.length > seen)
    wire.write(behind.repeat(waitingAtMost + 1))
    t.equal(await wire.closed(), '', behind)
    await until(() => held.at(-1)?.destroyed === true)
  }
  t.match(await askRaw(gateway.port, 'GET /public/x HTTP/1.1', [host]), { status: 200 }, 'nobody else is cut off')
})
