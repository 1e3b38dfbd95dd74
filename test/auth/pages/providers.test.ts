import t from 'tap'
import { Browser } from '../../support/browser.ts'
import { startTestGateway } from '../../support/gateway.ts'
import { pageLoad, refreshOf, sendForm } from '../../support/pages.ts'

const github = { clientId: 'an-id', clientSecret: 'a secret' }
const gateway = await startTestGateway(t, { policy: { auth: { socialProviders: { github } } } })
const path = (location: unknown) => {
  const { pathname, search } = new URL(String(location), gateway.publicUrl)
  return pathname + search
}

t.test('a provider’s answer that nobody waits for leads to the sign-in page, which says what to do', async (t) => {
  for (const query of ['?code=x&state=made-up', '?code=x', '?error=access_denied&state=made-up']) {
    const eve = new Browser(gateway.url, gateway.publicUrl)
    const answer = await eve.ask(`/api/auth/callback/github${query}`, { headers: pageLoad })
    t.equal(answer.status, 302)
    const to = path(answer.headers['location'])
    t.match(to, /^\/auth\/sign-in\?error=/, query)
    const page = await eve.ask(to, { headers: pageLoad })
    t.match(page.text, /role="alert"[^>]*>The sign-in was broken off\. Try again/, query)
  }
})

t.test('who says no at the provider’s is back at the sign-in page, on the way to the same place', async (t) => {
  const eve = new Browser(gateway.url, gateway.publicUrl)
  const departure = await sendForm(eve, '/auth/sign-in/social', { provider: 'github', next: '/private/x' })
  const state = new URL(refreshOf(departure.text) ?? '').searchParams.get('state') ?? ''
  const back = `/api/auth/callback/github?error=access_denied&state=${encodeURIComponent(state)}`
  const answer = await eve.ask(back, { headers: pageLoad })
  const page = await eve.ask(path(answer.headers['location']), { headers: pageLoad })
  t.match(page.text, /The sign-in was broken off/)
  t.match(page.text, /name="next" value="\/private\/x"/)
})
