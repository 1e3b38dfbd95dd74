import t from 'tap'
import { findingsIn, findingsInGateway } from '../lint/regular-expressions.ts'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { askRaw } from '../support/wire.ts'

// Expressions of quadratic cost ran over what BetterAuth had to say, which holds what a client sent: 60,000 letters for a
// `callbackURL` stopped the process for most of a minute.

t.test('no regular expression of the gateway costs more than linear time', async (t) => {
  t.same(findingsInGateway(), [])
})

t.test('an expression that costs more is found, and named by file and line', async (t) => {
  const found = (code: string) => findingsIn('auth/x.ts', code)
  for (const quadratic of [/\s+$/, /[^\s@]+@[^\s@]+/g, /[a-z][a-z+.-]*:\/\/[^\s"'<>]+/gi]) {
    const [finding, ...more] = found(`const a: number = 1\n// comment\nexport const expression = ${quadratic}\n`)
    t.equal(finding?.place, 'auth/x.ts:3')
    t.match(finding?.problem, 'polynomial')
    t.same(more, [])
  }
  t.match(found('const exponential = /^(a+)+$/')[0]?.problem, 'exponential')
})

t.test('an expression that cannot be judged beforehand is found too', async (t) => {
  const found = (code: string) => findingsIn('auth/x.ts', code).map(({ place }) => place)
  t.same(found('const a = new RegExp(text)'), ['auth/x.ts:1'])
  t.same(found('\nconst a = RegExp(text)'), ['auth/x.ts:2'])
  t.same(found("text.match('a+')\ntext.search(`a`)\nconst a = [...text.matchAll('a')]"), [
    'auth/x.ts:1',
    'auth/x.ts:2',
    'auth/x.ts:3'
  ])
  t.same(
    found("const a: RegExp = /^a+$/\nconst b = 'new RegExp(/(a+)+$/)' // RegExp(x)\ntext.replace(/[&<>]/g, '')"),
    []
  )
})

t.test('whatever is long, wherever it is put, is answered and leaves a short line', async (t) => {
  const upstream = await startEchoUpstream(t)
  const gateway = await startTestGateway(t, { upstreamUrl: upstream.url })
  const origin = `Origin: ${gateway.publicUrl}`
  let address = 0
  const ask = async (name: string, requestLine: string, headers: string[], body = '') => {
    const before = gateway.logged().length
    const answer = await askRaw(
      gateway.port,
      requestLine,
      [
        `Host: ${new URL(gateway.publicUrl).host}`,
        'Content-Type: application/json',
        `Content-Length: ${body.length}`,
        // Each from an address of its own, so that none is refused for there being many.
        `X-Forwarded-For: 10.9.1.${++address}`,
        ...headers
      ],
      body
    )
    t.equal(answer.status, 403, name)
    const lines = gateway.logged().slice(before).trimEnd().split('\n')
    for (const line of lines) t.ok(line.length < 1_000, `${name}: a line of ${line.length} characters`)
    t.ok(
      lines.some((line) => line.includes('auth: Invalid ')),
      `${name}: it is said which check failed`
    )
  }
  const signIn = 'POST /api/auth/sign-in/email HTTP/1.1'
  const entered = { email: 'ada@example.com', password: 'x'.repeat(10) }
  const texts: [string, (length: number) => string][] = [
    ['letters', (length) => 'a'.repeat(length)],
    ['the beginnings of addresses', (length) => 'a+'.repeat(length / 2)],
    ['the beginnings of URLs', (length) => 'http:/'.repeat(length / 6)],
    ['signs', (length) => '.'.repeat(length)]
  ]
  for (const [what, text] of texts) {
    await ask(`a body with ${what}`, signIn, [origin], JSON.stringify({ ...entered, callbackURL: text(60_000) }))
    const query = `token=x&callbackURL=${encodeURIComponent(text(12_000)).slice(0, 12_000)}`
    await ask(`a query with ${what}`, `GET /api/auth/verify-email?${query} HTTP/1.1`, [origin])
    const headers = ['Cookie: a=1', `Origin: ${text(12_000)}`]
    await ask(`an origin with ${what}`, signIn, headers, JSON.stringify(entered))
  }
})
