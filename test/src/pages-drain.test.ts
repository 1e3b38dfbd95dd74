import t from 'tap'
import { Browser } from '../support/browser.ts'
import { startTestGateway } from '../support/gateway.ts'
import { until } from '../support/until.ts'

t.test('an account page that is open holds nobody up who stops the gateway', async (t) => {
  const gateway = await startTestGateway(t)
  const ada = new Browser(gateway.url, gateway.publicUrl)
  await ada.signUp('ada')
  const stream = await fetch(`${gateway.publicUrl}/auth/account/devices`, { headers: { cookie: ada.cookieHeader } })
  t.equal(stream.headers.get('content-type'), 'text/event-stream')
  let text = ''
  let ended = false
  const reading = (async () => {
    for await (const chunk of stream.body ?? []) text += Buffer.from(chunk).toString()
    ended = true
  })()
  await until(() => /event: devices\ndata: \["[^"]+"\]\n\n/.test(text))
  // Far longer than the test may take.
  await gateway.close({ delayMs: 0, timeoutMs: 600_000 })
  await reading
  t.ok(ended, 'the stream was ended, not cut')
})

t.test('the stream is for who is signed in', async (t) => {
  const gateway = await startTestGateway(t)
  const stranger = await fetch(`${gateway.publicUrl}/auth/account/devices`)
  t.equal(stranger.status, 204, 'which tells an EventSource to give up')
})
