import t from 'tap'
import { Device, startAuthApp } from '../support/auth-app.ts'
import { Browser } from '../support/browser.ts'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

t.test('an address has so many requests, whatever it asks for', async (t) => {
  const target = await startAuthApp(t, { limits: { requestsPerAddress: { points: 50, seconds: 3_600 } } })
  const kinds: ((n: number) => [method: string, path: string])[] = [
    () => ['GET', '/get-session'],
    () => ['POST', '/sign-out'],
    (n) => ['GET', `/made-up-${n}`],
    (n) => [methods[n % methods.length] ?? 'GET', `/reset-password/made-up-${n}`]
  ]
  for (const kind of [...kinds, (n: number) => kinds[n % kinds.length]?.(n) ?? ['GET', '/']] as typeof kinds) {
    const device = new Device(target)
    for (let n = 0; n < 50; n++) {
      const [method, path] = kind(n)
      const { status } = await device.fetch(path, { method })
      t.not(status, 429, `${n}: ${method} ${path}`)
    }
    for (let n = 50; n < 54; n++) {
      const [method, path] = kind(n)
      const refused = await device.fetch(path, { method })
      t.equal(refused.status, 429, `${n}: ${method} ${path}`)
      t.ok(Number(refused.headers.get('retry-after')) >= 1)
    }
    t.equal((await new Device(target).fetch('/get-session')).status, 200, 'another address may')
  }
})

t.test('the addresses of one IPv6 /64 are one', async (t) => {
  const target = await startAuthApp(t, { limits: { requestsPerAddress: { points: 2, seconds: 3_600 } } })
  for (let n = 1; n <= 2; n++) await new Device(target, `2001:db8::${n}`).fetch('/get-session')
  t.equal((await new Device(target, '2001:db8::9').fetch('/get-session')).status, 429)
  t.equal((await new Device(target, '2001:db8:0:1::9').fetch('/get-session')).status, 200)
})

t.test('so have the built-in pages, and both together', async (t) => {
  const upstream = await startEchoUpstream(t)
  const gateway = await startTestGateway(t, { upstreamUrl: upstream.url })
  const crowd = new Browser(gateway.url, gateway.publicUrl)
  const other = new Browser(gateway.url, gateway.publicUrl)
  const paths = ['/auth/account/devices', '/auth/sign-in', '/auth/nowhere', '/api/auth/get-session']
  let asked = 0
  // More than there are in a window, should one end in between.
  for (let refused = false; !refused && asked < 20_000; asked += 50) {
    const some = Array.from({ length: 50 }, (_, n) => crowd.ask(paths[n % paths.length] ?? ''))
    refused = (await Promise.all(some)).some(({ status }) => status === 429)
  }
  t.ok(asked >= 1_000 && asked < 20_000, `refused after ${asked}`)
  for (const path of paths) t.equal((await crowd.ask(path)).status, 429, path)
  for (const path of paths) t.not((await other.ask(path)).status, 429, path)
})
