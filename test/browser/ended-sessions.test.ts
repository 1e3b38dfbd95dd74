import t from 'tap'
import { withoutChromium } from '../support/chromium.ts'
import { until } from '../support/until.ts'
import { signIn, signUp, startHouse } from './house.ts'

t.test('sessions that end while somebody is looking', { skip: withoutChromium() }, async (t) => {
  const house = await startHouse(t)
  const { at } = house

  t.test('sign-out in one tab ends the WebSocket and the next click in the other', async (t) => {
    const context = await house.device()
    const [one, other] = [await context.newPage(), await context.newPage()]
    await one.goto(at('/auth/sign-up?next=/private/one'))
    await signUp(one, 'ada')
    await one.waitForURL(at('/private/one'))
    await other.goto(at('/private/other'))
    await other.evaluate(`new Promise((open, fail) => {
      const socket = new WebSocket('/live')
      socket.onopen = open
      socket.onerror = fail
      window.ending = new Promise((resolve) => { socket.onclose = ({ code, reason }) => resolve([code, reason]) })
    })`)
    await one.goto(at('/auth/sign-out'))
    await one.getByRole('button', { name: 'Sign out' }).click()
    t.match(await one.getByRole('status').textContent(), /signed out/)
    t.same(await other.evaluate('window.ending'), [1008, 'session ended'])
    await other.getByRole('link', { name: 'Next' }).click()
    await other.waitForURL(at('/auth/sign-in?next=%2Fprivate%2Fnext'))
  })

  t.test('after sign-out the back button shows nothing private', async (t) => {
    const page = await (await house.device()).newPage()
    await page.goto(at('/private/secret'))
    await signIn(page, 'ada')
    await page.waitForURL(at('/private/secret'))
    await page.goto(at('/auth/account'))
    t.match(await page.content(), /ada@example\.com/)
    await page.getByRole('button', { name: 'Sign out', exact: true }).click()
    await page.getByRole('status').waitFor()
    for (let steps = 0; steps < 4; steps++) {
      await page.goBack()
      await page.waitForLoadState()
      t.notMatch(await page.content(), /ada@example\.com/, page.url())
    }
  })

  t.test('a device that is signed out leaves the list by itself, wherever the list is shown', async (t) => {
    const [desk, phone] = [await (await house.device()).newPage(), await (await house.device()).newPage()]
    for (const page of [desk, phone]) {
      await page.goto(at('/auth/sign-in'))
      await signIn(page, 'ada')
      await page.waitForURL(at('/auth/account'))
    }
    await desk.reload()
    const shown = (page: typeof desk) => page.locator('[data-device]').count()
    t.equal(await shown(desk), 2)
    t.equal(await shown(phone), 2)

    await phone.locator('[data-device]').nth(1).getByRole('button').click()
    await desk.waitForURL(/notice=ended/)
    t.match(await desk.getByRole('status').textContent(), /have been signed out here/)
    await until(async () => (await shown(phone)) === 1)

    await signIn(desk, 'ada')
    await desk.waitForURL(at('/auth/account'))
    t.equal(await shown(desk), 2)
    const cookies = (await phone.context().cookies()).map(({ name, value }) => `${name}=${value}`).join('; ')
    const answer = await fetch(at('/api/auth/sign-out'), {
      method: 'POST',
      headers: { cookie: cookies, origin: house.gateway.publicUrl, 'content-type': 'application/json' },
      body: '{}'
    })
    t.equal(answer.status, 200)
    await until(async () => (await shown(desk)) === 1)
    t.equal(await desk.locator('[data-others]').isHidden(), true, 'there are no others to sign out')
  })

  t.test('a session that expires while a form is open leads to sign-in and back', async (t) => {
    const context = await house.device()
    const page = await context.newPage()
    await page.goto(at('/auth/sign-in?next=/private/form'))
    await signIn(page, 'ada')
    await page.waitForURL(at('/private/form'))
    const account = await context.newPage()
    await account.goto(at('/auth/account'))
    await context.clearCookies()

    await account.getByLabel('Name', { exact: true }).fill('Somebody')
    await account.getByRole('button', { name: 'Save' }).click()
    t.match(await account.getByRole('status').textContent(), /Sign in again/)
    await page.getByRole('button', { name: 'Save' }).click()
    t.equal(await page.textContent('h1'), 'Sign in first')
    t.match(await page.textContent('main'), /nothing was done/)
    await page.getByRole('link', { name: 'Sign in' }).click()
    await page.waitForURL(/\/auth\/sign-in/)

    await signIn(account, 'ada')
    await account.waitForURL(at('/auth/account'))
    t.equal(await account.getByLabel('Name', { exact: true }).inputValue(), 'ada')
  })

  t.test('nothing was blocked and no script failed on the way', async (t) => {
    t.same(house.complaints, [])
  })
})
