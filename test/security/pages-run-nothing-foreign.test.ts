import t from 'tap'
import { Browser } from '../support/browser.ts'
import { startTestGateway } from '../support/gateway.ts'
import { pageLoad, sendForm } from '../support/pages.ts'

const gateway = await startTestGateway(t, { policy: { auth: { sendResetPassword: async () => undefined } } })
const evil = `"><script>alert(1)</script><img src=x onerror=alert(1)>'`
const somebody = () => new Browser(gateway.url, gateway.publicUrl)
// As markup. Inside a text the rest of it may stand.
const found = /<script>alert|<img src=x/

t.test('what people type stays text, on every page that shows it again', async (t) => {
  const ada = somebody()
  const signUp = { name: evil, email: 'ada@example.com', newPassword: 'correct horse battery' }
  t.equal((await sendForm(ada, '/auth/sign-up', signUp)).status, 303)
  const eve = new Browser(gateway.url, gateway.publicUrl)
  const signIn = { email: 'ada@example.com', password: 'correct horse battery' }
  t.equal((await sendForm(eve, '/auth/sign-in', signIn, { 'user-agent': evil })).status, 303)

  const account = await ada.ask('/auth/account', { headers: pageLoad })
  t.equal(account.status, 200)
  t.match(account.text, /&#60;script&#62;alert\(1\)/, 'the name is there')
  t.notMatch(account.text, found)
  const answers = [
    await sendForm(somebody(), '/auth/sign-in', { email: evil, password: evil }),
    await sendForm(somebody(), '/auth/sign-up', { name: evil, email: evil, newPassword: evil }),
    await sendForm(somebody(), '/auth/forgot-password', { email: evil }),
    await sendForm(somebody(), '/auth/reset-password', { token: evil, newPassword: evil }),
    await somebody().ask(`/auth/reset-password?token=${encodeURIComponent(evil)}`, { headers: pageLoad }),
    await somebody().ask(`/auth/sign-in?error=${encodeURIComponent(evil)}`, { headers: pageLoad }),
    await somebody().ask(`/auth/sign-in?notice=${encodeURIComponent(evil)}`, { headers: pageLoad }),
    await somebody().ask(`/auth/sign-in?notice=__proto__&error=constructor`, { headers: pageLoad }),
    await somebody().ask(`/auth/${encodeURIComponent('<script>alert(1)')}`, { headers: pageLoad })
  ]
  for (const { text, status, headers } of answers) {
    t.notMatch(text, found, String(status))
    t.match(headers['content-type'], /^text\/html/)
    t.notOk(text.includes(evil))
  }
})

t.test('no page may run, load or send anything foreign, or be put into a frame', async (t) => {
  const ada = somebody()
  await ada.signUp('grace')
  const pages = [
    await somebody().ask('/auth/sign-in', { headers: pageLoad }),
    await somebody().ask('/auth/sign-up', { headers: pageLoad }),
    await ada.ask('/auth/account', { headers: pageLoad }),
    await somebody().ask('/auth/nothing', { headers: pageLoad })
  ]
  for (const { status, headers, text } of pages) {
    const policy = new Map(
      String(headers['content-security-policy'])
        .split(';')
        .map((part) => [part.split(' ')[0], part.slice(part.indexOf(' ') + 1)])
    )
    t.equal(policy.get('default-src'), "'none'")
    t.equal(policy.get('frame-ancestors'), "'none'")
    t.equal(policy.get('form-action'), "'self'")
    t.equal(policy.get('base-uri'), "'none'")
    t.equal(policy.get('script-src'), status === 404 ? "'none'" : `${gateway.publicUrl}/auth/assets/`)
    t.notMatch([...policy.values()].join(' '), /unsafe|\*|data:|https?:(?!\/\/localhost)/)
    t.equal(headers['x-frame-options'], 'DENY')
    t.equal(headers['x-content-type-options'], 'nosniff')
    t.equal(headers['referrer-policy'], 'strict-origin')
    t.equal(headers['cross-origin-opener-policy'], 'same-origin')
    t.equal(headers['cache-control'], 'no-store')
    t.notMatch(text, /<script>|<style| style=| on[a-z]+=/)
  }
})

t.test('tokens of sessions stand in no page', async (t) => {
  const ada = somebody()
  const { token } = (await ada.signUp('token')).json() as { token: string }
  t.ok(token.length > 16)
  t.notOk((await ada.ask('/auth/account', { headers: pageLoad })).text.includes(token))
})
