import t from 'tap'
import { type Answer, Browser } from '../support/browser.ts'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { pageLoad, refreshOf, sendForm } from '../support/pages.ts'

const upstream = await startEchoUpstream(t)
const gateway = await startTestGateway(t, { upstreamUrl: upstream.url })
const home = gateway.publicUrl
const somebody = () => new Browser(gateway.url, home)
const ada = somebody()
await ada.signUp('ada')

const evil = [
  '//evil.example',
  '///evil.example',
  '/\\evil.example',
  '\\\\evil.example',
  '/\t/evil.example',
  '/\n/evil.example',
  '\t//evil.example',
  ' //evil.example',
  '/%09/evil.example',
  '/%2f/evil.example',
  '/%2Fevil.example',
  '/%5cevil.example',
  '%2f%2fevil.example',
  'https:evil.example',
  'https:/evil.example',
  'https://evil.example',
  'http:evil.example',
  ' https://evil.example',
  '\u0001https://evil.example',
  'https%3A%2F%2Fevil.example',
  'javascript:alert(1)',
  'java\nscript:alert(1)',
  'data:text/html,x',
  'evil.example',
  '.evil.example',
  '@evil.example',
  '/.//evil.example',
  '/x/..//evil.example',
  '/%2e//evil.example',
  `${home}@evil.example`,
  `${home}.evil.example`,
  '/auth/sign-in?next=//evil.example',
  '/a\r\nSet-Cookie: x=y',
  '/\u0000',
  ''
]

const ways: Record<string, (next: string) => Promise<Answer>> = {
  'who is signed in already': (next) =>
    ada.ask(`/auth/sign-in?next=${encodeURIComponent(next)}`, { headers: pageLoad }),
  'who is signed in and signs up': (next) =>
    ada.ask(`/auth/sign-up?next=${encodeURIComponent(next)}`, { headers: pageLoad }),
  'who signs in': (next) =>
    sendForm(somebody(), '/auth/sign-in', { email: 'ada@example.com', password: 'correct horse battery', next }),
  'who signs out': (next) => sendForm(somebody(), '/auth/sign-out', { next })
}

for (const [name, ask] of Object.entries(ways)) {
  t.test(`${name} is led nowhere else`, async (t) => {
    for (const next of evil) {
      const { status, headers } = await ask(next)
      t.equal(status, 303, JSON.stringify(next))
      const location = String(headers['location'])
      t.match(location, /^\/auth\/(account$|sign-in\?notice=signed-out$)/, `${JSON.stringify(next)}: ${location}`)
    }
  })
}

t.test('who comes with a good address gets there', async (t) => {
  for (const [name, ask] of Object.entries(ways)) {
    const { headers, text } = await ask('/private/report?year=2026#top')
    t.equal(headers['location'] ?? refreshOf(text), '/private/report?year=2026#top', name)
  }
})

t.test('a form leads to the application by a page of ours, and to our own pages at once', async (t) => {
  for (const name of ['who signs in', 'who signs out']) {
    const away = await ways[name]?.('/private/report')
    t.equal(away?.status, 200, name)
    t.equal(away?.headers['cache-control'], 'no-store')
    t.match(away?.text, /<a class="button" href="\/private\/report"/, 'for who does not follow by itself')
    const account = await ways[name]?.('/auth/account?notice=profile')
    t.equal(account?.headers['location'], '/auth/account?notice=profile', name)
  }
})

t.test('what stands in a page is what is safe to return to', async (t) => {
  for (const next of evil) {
    const { text } = await somebody().ask(`/auth/sign-in?next=${encodeURIComponent(next)}`, { headers: pageLoad })
    t.notMatch(text, /evil\.example/, JSON.stringify(next))
    t.notMatch(text, /name="next"/, JSON.stringify(next))
  }
  const twice = await somebody().ask('/auth/sign-in?next=/a&next=//evil.example', { headers: pageLoad })
  t.notMatch(twice.text, /name="next"/)
})

t.test('a page load without a session comes back to what was asked for, however it was written', async (t) => {
  for (const path of [
    '/private',
    '/private/a%20b?x=%2F%2Fevil.example&y=a+b',
    '/private?next=//evil.example',
    '/@evil.example'
  ]) {
    const { status, headers, text } = await somebody().ask(path, { headers: pageLoad })
    t.equal(status, 303, path)
    t.equal(headers['location'], `/auth/sign-in?next=${encodeURIComponent(path)}`, path)
    t.equal(headers['cache-control'], 'no-store')
    t.equal(text, '')
  }
  const long = await somebody().ask(`/private?${'x'.repeat(2_040)}`, { headers: pageLoad })
  t.equal(long.headers['location'], '/auth/sign-in?next=%2Fprivate', 'the path alone where the whole is too long')
  t.equal(upstream.requests.length, 0)
})
