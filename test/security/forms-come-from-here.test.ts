import t from 'tap'
import { Browser } from '../support/browser.ts'
import { origins } from '../support/cookie-names.ts'
import { startTestGateway } from '../support/gateway.ts'
import { pageLoad, sendForm } from '../support/pages.ts'
import { askRaw } from '../support/wire.ts'

// Login CSRF: a foreign page that signs its visitor in to the attacker's account reads along from then on.

for (const env of origins)
  await t.test(`the public origin ${env['BETTER_AUTH_URL'] ?? 'is http on this machine'}`, async (t) => {
    const protocol = 'BETTER_AUTH_URL' in env ? 'https:' : 'http:'
    const trusted = `${protocol}//sub.localhost:3999`
    const gateway = await startTestGateway(t, { env: { ...env, TRUSTED_ORIGINS: trusted } })
    const password = 'correct horse battery'
    const credentials = { email: 'ada@example.com', password }
    const somebody = () => new Browser(gateway.url, gateway.publicUrl)
    const ada = somebody()
    await ada.signUp('ada')

    const forms: Record<string, Record<string, string>> = {
      '/auth/sign-in': credentials,
      '/auth/sign-in/social': { provider: 'github' },
      '/auth/sign-up': { name: 'Eve', email: 'eve@example.com', newPassword: password },
      '/auth/sign-out': {},
      '/auth/account/profile': { name: 'Eve' },
      '/auth/account/password': { password, newPassword: 'another fine passphrase' },
      '/auth/account/devices/revoke': { device: 'x' },
      '/auth/account/devices/revoke-others': {},
      '/auth/account/delete': { password }
    }

    const elsewhere: Record<string, Record<string, string>> = {
      'another site': { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' },
      'a sibling': { origin: 'http://evil.localhost', 'sec-fetch-site': 'same-site' },
      'a trusted origin': { origin: trusted, 'sec-fetch-site': 'same-site' },
      'a sandbox': { origin: 'null', 'sec-fetch-site': 'cross-site' },
      'a sandbox of a sibling': { origin: 'null', 'sec-fetch-site': 'same-site' },
      'nobody who says so': { origin: 'null', 'sec-fetch-site': 'none' },
      'another site that hides its origin': {
        origin: '',
        'sec-fetch-site': 'cross-site',
        referer: 'https://evil.example/'
      },
      'an address that only begins like ours': { origin: `${gateway.publicUrl}.evil.example` }
    }

    for (const [path, fields] of Object.entries(forms)) {
      t.test(`${path} is not taken from anywhere else`, async (t) => {
        for (const [name, headers] of Object.entries(elsewhere)) {
          for (const browser of [somebody(), ada]) {
            const { status, headers: answered } = await sendForm(browser, path, fields, headers)
            t.equal(status, 403, name)
            t.equal(answered['set-cookie'], undefined, name)
          }
        }
      })
    }

    t.test('nobody was signed in or out by all that, and nothing was changed', async (t) => {
      const answer = await ada.ask('/auth/account', { headers: pageLoad })
      t.equal(answer.status, 200)
      t.match(answer.text, /value="ada"/)
      t.equal((await somebody().signIn('eve')).status, 401)
    })

    t.test('a page of this origin that hides its address is here', async (t) => {
      const answer = await sendForm(somebody(), '/auth/sign-in', credentials, { origin: 'null' })
      t.equal(answer.status, 303)
    })

    t.test('without an origin the rest of what browsers say decides', async (t) => {
      const ask = async (headers: Record<string, string>) => {
        const body = new URLSearchParams(credentials).toString()
        // A request without the browser's own Origin.
        const all = {
          host: new URL(gateway.publicUrl).host,
          'content-type': 'application/x-www-form-urlencoded',
          'content-length': String(body.length),
          'x-forwarded-for': somebody().address,
          ...headers
        }
        const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`)
        return (await askRaw(gateway.port, 'POST /auth/sign-in HTTP/1.1', lines, body)).status
      }
      t.equal(await ask({ 'sec-fetch-site': 'same-origin' }), 303)
      t.equal(await ask({ 'sec-fetch-site': 'same-site' }), 403)
      t.equal(await ask({ 'sec-fetch-site': 'none' }), 403)
      t.equal(await ask({ referer: 'https://evil.example/auth/sign-in' }), 403)
      t.equal(await ask({}), 403)
    })

    t.test('a form is a form: no other type of body is read', async (t) => {
      const headers = { 'content-type': 'text/plain' }
      t.equal((await sendForm(somebody(), '/auth/sign-in', credentials, headers)).status, 400)
      const json = { 'content-type': 'application/json' }
      t.equal((await sendForm(somebody(), '/auth/sign-in', credentials, json)).status, 400)
    })

    t.test('a link signs nobody out', async (t) => {
      const { status, headers } = await ada.ask('/auth/sign-out', { headers: pageLoad })
      t.equal(status, 200)
      t.equal(headers['set-cookie'], undefined)
      t.equal((await ada.ask('/auth/account', { headers: pageLoad })).status, 200)
    })
  })
