import t from 'tap'
import { Browser } from '../../support/browser.ts'
import { migrateOnce } from '../../support/embedded-database.ts'
import { startTestGateway } from '../../support/gateway.ts'
import { giveSessions } from '../../support/many-sessions.ts'
import { pageLoad, sendForm, unescaped } from '../../support/pages.ts'
import { startPostgres } from '../../support/postgres.ts'
import { until } from '../../support/until.ts'

const secret = 'one secret for all replicas of this test'
const postgres = await startPostgres(t)
const url = await postgres.createDatabase()
await migrateOnce({ driver: 'pg', url })
const gateway = await startTestGateway(t, {
  env: { DATABASE_DRIVER: 'pg', DATABASE_URL: url, BETTER_AUTH_SECRET: secret }
})
const others = 130

async function somebody(name: string) {
  const browser = new Browser(gateway.url, gateway.publicUrl)
  await browser.signUp(name)
  return { browser, sessions: await giveSessions(postgres, url, browser, secret, others) }
}
const open = async (browser: Browser, path = '/auth/account') => (await browser.ask(path, { headers: pageLoad })).text
const labelsIn = (page: string) => [...page.matchAll(/class="label">(device-\d+)/g)].map((match) => match[1])
const linkIn = (page: string, rel: string) => {
  const address = new RegExp(`<a href="([^"#]+)[^"]*" rel="${rel}">`).exec(page)?.[1]
  return address === undefined ? undefined : unescaped(address)
}

t.test('every device is on one page of the account, and each page says of how many', async (t) => {
  const { browser } = await somebody('ada')
  const seen: (string | undefined)[] = []
  let pages = 0
  for (let path: string | undefined = '/auth/account'; path !== undefined; ) {
    const page = await open(browser, path)
    seen.push(...labelsIn(page))
    const first = pages * 20 + 1
    t.match(page, `${first} to ${Math.min(first + 19, others + 1)} of ${others + 1}`)
    pages++
    t.equal(linkIn(page, 'prev') === undefined, pages === 1)
    t.equal(page.includes('this device'), pages === 1, 'the one that asks is the first of all')
    t.match(page, 'Sign out all other devices')
    path = linkIn(page, 'next')
  }
  t.equal(pages, 7)
  t.same(
    seen,
    Array.from({ length: others }, (_, n) => `device-${n + 1}`),
    'those last used first'
  )
})

t.test('a page that there is not is the nearest that there is', async (t) => {
  const { browser } = await somebody('grace')
  t.match(await open(browser, '/auth/account?devices=4711'), '121 to 131 of 131')
  for (const odd of ['0', '-1', 'x', '1e9', '99999999999999999999'])
    t.match(await open(browser, `/auth/account?devices=${odd}`), '1 to 20 of 131')
})

t.test('who has one page of devices reads of no pages', async (t) => {
  const browser = new Browser(gateway.url, gateway.publicUrl)
  await browser.signUp('mary')
  t.notMatch(await open(browser), /Older|Newer|of 1/)
})

t.test('a device beyond the first hundred is signed out by its button, and the page stays', async (t) => {
  const { browser, sessions } = await somebody('joan')
  const page = await open(browser, '/auth/account?devices=7')
  const id = /name="device" value="([^"]+)" aria-label="Sign out device-130"/.exec(page)?.[1] ?? ''
  const answer = await sendForm(browser, '/auth/account/devices/revoke', { device: id, page: '7' })
  t.match(answer.headers['location'], '/auth/account?notice=revoked&devices=7')
  t.equal(await sessions.left(), others)
  t.notOk(labelsIn(await open(browser, '/auth/account?devices=7')).includes('device-130'))
})

t.test("a device of somebody else's is nobody's to sign out", async (t) => {
  const [one, two] = [await somebody('hedy'), await somebody('karen')]
  const id = /name="device" value="([^"]+)"/.exec(await open(one.browser))?.[1] ?? ''
  await sendForm(two.browser, '/auth/account/devices/revoke', { device: id })
  t.equal(await one.sessions.left(), others + 1)
})

t.test('a page is told of the devices that it shows, whichever page it is', async (t) => {
  const { browser } = await somebody('edith')
  const page = await open(browser, '/auth/account?devices=7')
  const shown = [...page.matchAll(/data-device="([^"]+)"/g)].map((match) => match[1])
  const live = unescaped(/data-live="([^"]+)"/.exec(page)?.[1] ?? '')
  const stream = await fetch(gateway.publicUrl + live, { headers: { cookie: browser.cookieHeader } })
  const told: string[][] = []
  const reading = (async () => {
    let text = ''
    for await (const chunk of stream.body ?? []) {
      text += Buffer.from(chunk).toString()
      told.length = 0
      for (const [, ids] of text.matchAll(/event: devices\ndata: (.+)\n\n/g)) told.push(JSON.parse(ids ?? '[]'))
    }
  })()
  await until(() => told.length === 1)
  t.equal(told[0]?.length, shown.length + 1, 'and of the one that is looking')
  t.same(
    shown.filter((id) => told[0]?.includes(id ?? '') !== true),
    []
  )
  await sendForm(browser, '/auth/account/devices/revoke', { device: shown[0] ?? '' })
  await until(() => told.length === 2)
  t.notOk(told[1]?.includes(shown[0] ?? ''))
  await sendForm(browser, '/auth/account/devices/revoke-others', {})
  await until(() => told.at(-1)?.length === 1)
  await browser.signOut()
  await reading
})
