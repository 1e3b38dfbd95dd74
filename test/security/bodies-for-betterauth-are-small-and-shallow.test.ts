import t from 'tap'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { askRaw, openWire, readAnswer } from '../support/wire.ts'

// A megabyte of nested JSON was half a second of everybody's time, on paths under no limit.

const upstream = await startEchoUpstream(t)
const gateway = await startTestGateway(t, {
  upstreamUrl: upstream.url,
  policy: { routes: [], bodies: { '/api/auth/stripe/webhook': 200_000, '/api/auth/own/*': 100 } }
})
const { host } = new URL(gateway.publicUrl)
const paths = [
  '/api/auth',
  '/api/auth/sign-out',
  '/api/auth/get-session',
  '/api/auth/sign-in/email',
  '/api/auth/nowhere',
  '/api/auth/stripe/webhook/'
]
const saml = ['/api/auth/sso/saml2/callback/acme', '/api/auth/sso/saml2/sp/acs/acme']

function ask(path: string, type: string, body: string) {
  const headers = [`Host: ${host}`, `Origin: ${gateway.publicUrl}`, `Content-Type: ${type}`]
  return askRaw(gateway.port, `POST ${path} HTTP/1.1`, [...headers, `Content-Length: ${Buffer.byteLength(body)}`], body)
}

async function isTooLarge(path: string, bytes: number): Promise<void> {
  const form = 'application/x-www-form-urlencoded'
  const wire = await openWire(gateway.port)
  // No byte of it is sent: only what the head says can be known.
  wire.write(
    `POST ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\nOrigin: ${gateway.publicUrl}\r\nContent-Type: ${form}\r\nExpect: 100-continue\r\nContent-Length: ${bytes}\r\n\r\n`
  )
  const declared = readAnswer(await wire.until(/"code":"[A-Z_]+".*\}$/s))
  wire.destroy()
  t.match([declared.status, declared.json()], [413, { code: 'BODY_TOO_LARGE' }], `${path}, declared`)
  const chunk = 'x'.repeat(bytes)
  const chunked = await askRaw(
    gateway.port,
    `POST ${path} HTTP/1.1`,
    [`Host: ${host}`, `Origin: ${gateway.publicUrl}`, `Content-Type: ${form}`, 'Transfer-Encoding: chunked'],
    `${bytes.toString(16)}\r\n${chunk}\r\n0\r\n\r\n`
  )
  t.match([chunked.status, chunked.json()], [413, { code: 'BODY_TOO_LARGE' }], `${path}, in chunks`)
}

t.test('a body of more than 64 KiB is refused on every path, by its length before it is read', async () => {
  for (const path of [...paths, '/auth/sign-in', '/auth/account/password']) await isTooLarge(path, 65_537)
})

t.test('one of 64 KiB is read', async (t) => {
  const body = `{"email":"${'x'.repeat(65_536 - 28)}","password":""}`
  for (const path of paths) t.not((await ask(path, 'application/json', body)).status, 413, path)
})

t.test('the policy gives a path more or less, and a SAML answer has 256 KiB', async (t) => {
  const form = 'application/x-www-form-urlencoded'
  t.not((await ask('/api/auth/stripe/webhook', form, 'x'.repeat(200_000))).status, 413)
  await isTooLarge('/api/auth/stripe/webhook', 200_001)
  await isTooLarge('/api/auth/own/path', 101)
  for (const path of saml) {
    t.not((await ask(path, form, 'x'.repeat(262_144))).status, 413)
    await isTooLarge(path, 262_145)
  }
})

t.test('JSON that is nested deeper than 64 levels is refused before it is parsed, whatever the path', async (t) => {
  const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels)
  const types = ['application/json', 'APPLICATION/JSON; charset=utf-8', 'application/problem+json']
  for (const path of [...paths, ...saml]) {
    for (const type of types) {
      const { status, json } = await ask(path, type, nested(65))
      t.match([status, json()], [400, { code: 'REQUEST_INVALID' }], `${path} ${type}`)
    }
    const shallow = await ask(path, types[0] ?? '', nested(64))
    t.notMatch(shallow.body, /REQUEST_INVALID/, path)
    const text = await ask(path, types[0] ?? '', JSON.stringify({ text: nested(500) }))
    t.notMatch(text.body, /REQUEST_INVALID/, `${path}, in a string`)
  }
})
