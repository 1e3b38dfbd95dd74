import t from 'tap'
import { Browser } from '../support/browser.ts'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { askRaw } from '../support/wire.ts'

// CVE-2025-71399: `/api/auth//sign-in/email` was served like the address without the second slash, and counted apart.

const upstream = await startEchoUpstream(t)
const gateway = await startTestGateway(t, { upstreamUrl: upstream.url })
const { host } = new URL(gateway.publicUrl)
const ada = new Browser(gateway.url, gateway.publicUrl)
await ada.signUp('ada')

const right = '/api/auth/sign-in/email'
const spellings = [
  '/api/auth//sign-in/email',
  '//api/auth/sign-in/email',
  '/api//auth/sign-in/email',
  '/api/auth/sign-in//email',
  '/api/auth///sign-in/email',
  '/api/auth/sign-in/email/',
  '/api/auth/sign-in/email//',
  '/api/auth/Sign-In/Email',
  '/API/AUTH/sign-in/email',
  '/api/auth/SIGN-IN/EMAIL/',
  '/api/auth/sign%2Din/email',
  '/api/auth/%73ign-in/email',
  '/api/auth/sign-in/%65mail',
  '/%61pi/%61uth/sign-in/email',
  '/api/auth/sign-in/e%6Dail/',
  '/api/auth/%2573ign-in/email',
  '/api/auth/sign-in/email;',
  '/api/auth/sign-in/email;x=1',
  '/api/auth/sign-in;x=1/email',
  '/api;/auth/sign-in/email',
  '/api/auth/;/sign-in/email',
  '/api/auth/sign-in%2Femail',
  '/api/auth%2Fsign-in%2Femail',
  '/api/auth/sign-in\\email',
  '/api/auth/sign-in%5Cemail',
  '/api/auth/./sign-in/email',
  '/api/auth/sign-in/./email',
  '/api/auth/x/../sign-in/email',
  '/api/auth/%2e%2e/auth/sign-in/email',
  '/api/auth/sign-in/email/.',
  '/api/auth/sign-in/email%20',
  '/api/auth/sign-in/email%00',
  '/api/auth/sign-in/email%0a',
  '/api/auth/sign-in/email?',
  '/api/auth/sign-in/email?x=1',
  '/api/auth/sign-in/email?/api/auth/get-session',
  '/api/auth/sign-in/email#',
  '/api/auth/sign-in/email%23',
  '/api/auth/sign-in/email%3F',
  `http://${host}${right}`
]

let addresses = 0

/** Tries to sign in with the right password, and says whether it was looked at. */
async function attempt(path: string, address: string): Promise<boolean> {
  const body = JSON.stringify({ email: 'ada@example.com', password: 'correct horse battery' })
  const answer = await askRaw(
    gateway.port,
    `POST ${path} HTTP/1.1`,
    [
      `Host: ${host}`,
      `X-Forwarded-For: ${address}`,
      `Origin: ${gateway.publicUrl}`,
      'Content-Type: application/json',
      `Content-Length: ${body.length}`
    ],
    body
  )
  if (answer.status === 200) return true
  t.ok(answer.status >= 400 && answer.status < 500, `${path}: ${answer.status}`)
  t.same(answer.all('set-cookie'), [], path)
  return false
}

/** Runs attempts from an address of their own, again when a slow machine had them outlast the window they are counted in. */
async function inOneWindow<T>(attempts: (address: string) => Promise<T>): Promise<T> {
  for (;;) {
    addresses++
    const began = Date.now()
    const result = await attempts(`10.9.0.${addresses}`)
    if (Date.now() - began < 9_000) return result
  }
}

t.test('however its address is spelled, an address has three attempts in ten seconds', async (t) => {
  const served: string[] = []
  for (const path of spellings) {
    // The last two under the right name: whatever was counted apart would let the fourth through too.
    const looked = await inOneWindow(async (address) => {
      const outcomes: boolean[] = []
      for (const spelling of [path, path, path, right, right]) outcomes.push(await attempt(spelling, address))
      return outcomes
    })
    const tried = looked.filter(Boolean).length
    t.ok(tried <= 3, `${path}: ${tried} of five attempts were looked at`)
    if (looked[0]) served.push(path)
  }
  t.ok(served.includes(`${right}?x=1`), 'the count can fail: some spellings are served')
  for (const path of served)
    t.match(path, /^\/(api|%61pi)\/(auth|%61uth)\/[^/]+\/[^/?]+\/?(\?.*)?$/, `${path} is one address`)
})

t.test('who has used up the attempts under one spelling has none left under another', async (t) => {
  const looked = await inOneWindow(async (address) => {
    const outcomes: [string, boolean][] = []
    for (const path of [right, right, right, ...spellings]) outcomes.push([path, await attempt(path, address)])
    return outcomes
  })
  for (const [i, [path, wasLookedAt]] of looked.entries()) t.equal(wasLookedAt, i < 3, path)
})
