import t from 'tap'
import { withoutChromium } from '../support/chromium.ts'
import { becomes, type House, password, signIn, signUp, startHouse } from './house.ts'

t.test('people and the pages', { skip: withoutChromium() }, async (t) => {
  const house: House = await startHouse(t)
  const { at } = house

  t.test('who loads a private page signs up and is back there, known by name', async (t) => {
    const page = await (await house.device()).newPage()
    await page.goto(at('/private/report?year=2026&q=a%20b'))
    t.match(page.url(), /\/auth\/sign-in\?next=/)
    await page.getByRole('link', { name: 'Create one' }).click()
    await signUp(page, 'ada')
    await page.waitForURL(at('/private/report?year=2026&q=a%20b'))
    t.equal(await page.textContent('h1'), 'Hello, ada@example.com')

    await page.goto(at('/auth/sign-in?next=/private/other'))
    t.equal(page.url(), at('/private/other'), 'who is signed in is sent straight on')
  })

  t.test('the place in a page is not forgotten', async (t) => {
    const page = await (await house.device()).newPage()
    await page.goto(at('/private/manual#chapter-3'))
    await page.getByRole('link', { name: 'Create one' }).click()
    await page.getByRole('link', { name: 'Sign in' }).click()
    await signIn(page, 'ada', 'not the password')
    await page.getByRole('alert').waitFor()
    await signIn(page, 'ada')
    await page.waitForURL(at('/private/manual#chapter-3'))
    t.equal(await page.textContent('h1'), 'Hello, ada@example.com')
  })

  t.test('who signs in on the way to a page that leads to another site gets there', async (t) => {
    const page = await (await house.device()).newPage()
    await page.goto(at('/private/elsewhere'))
    await signIn(page, 'ada')
    await page.waitForURL(/^http:\/\/127\.0\.0\.1:\d+\/arrived$/)
    t.equal(await page.textContent('h1'), 'Hello, nobody', 'with no more of the session than a stranger has')
  })

  t.test('a wrong password is said so, with the address still there, and the right one gets in', async (t) => {
    const page = await (await house.device()).newPage()
    const answers: number[] = []
    page.on('response', (response) => response.request().method() === 'POST' && answers.push(response.status()))
    await page.goto(at('/private/x'))
    await signIn(page, 'ada', 'not the password')
    t.match(await page.getByRole('alert').textContent(), /do not belong together/)
    t.same(answers, [401])
    await becomes(page, 'document.activeElement.getAttribute("role")', 'alert')
    t.pass('it is read out first')
    t.equal(await page.getByLabel('Email address').inputValue(), 'ada@example.com')
    t.equal(await page.getByLabel('Password', { exact: true }).inputValue(), '')
    await signIn(page, 'ada')
    await page.waitForURL(at('/private/x'))
    t.equal(await page.textContent('h1'), 'Hello, ada@example.com')
  })

  t.test('an unknown address gets the same answer as a wrong password', async (t) => {
    const said: (string | null)[] = []
    for (const name of ['ada', 'nobody-at-all']) {
      const page = await (await house.device()).newPage()
      await page.goto(at('/auth/sign-in'))
      await signIn(page, name, 'not the password')
      said.push(await page.getByRole('alert').textContent())
    }
    t.equal(said[0], said[1])
  })

  t.test('who tries too often is told how long to wait', async (t) => {
    const page = await (await house.device()).newPage()
    await page.goto(at('/auth/sign-in'))
    // A slow machine may take longer than the window that three of them are counted in.
    for (let tries = 0; tries < 12; tries++) {
      const answer = page.waitForResponse((response) => response.request().method() === 'POST')
      await signIn(page, 'grace', 'not the password')
      const { status } = { status: (await answer).status() }
      if (status === 429) break
      t.equal(status, 401)
    }
    t.match(await page.getByRole('alert').textContent(), /too many attempts\. Wait (a second|\d+ (seconds|minutes))/)
  })

  t.test('an address that has an account is not signed up again', async (t) => {
    const page = await (await house.device()).newPage()
    await page.goto(at('/auth/sign-up'))
    await signUp(page, 'ada')
    t.match(await page.getByRole('alert').textContent(), /account with this address/)
    t.equal(await page.getByLabel('Name', { exact: true }).inputValue(), 'ada')
  })

  t.test('without script: sign-up, sign-out, sign-in', async (t) => {
    const page = await (await house.device({ javaScriptEnabled: false })).newPage()
    await page.goto(at('/private/plain'))
    await page.getByRole('link', { name: 'Create one' }).click()
    await signUp(page, 'plain')
    await page.waitForURL(at('/private/plain'))
    t.equal(await page.textContent('h1'), 'Hello, plain@example.com')
    await page.goto(at('/auth/account'))
    await page.getByRole('button', { name: 'Sign out', exact: true }).click()
    t.match(await page.getByRole('status').textContent(), /signed out/)
    await page.goto(at('/private/plain'))
    await signIn(page, 'plain')
    await page.waitForURL(at('/private/plain'))
    t.equal(await page.textContent('h1'), 'Hello, plain@example.com')
  })

  t.test('name and password are changed, and the new one gets in', async (t) => {
    const page = await (await house.device()).newPage()
    await page.goto(at('/auth/sign-up'))
    await signUp(page, 'lin')
    await page.waitForURL(at('/auth/account'))
    await page.getByLabel('Name', { exact: true }).fill('Lin <b>& Co</b>')
    await page.getByRole('button', { name: 'Save' }).click()
    t.match(await page.getByRole('status').first().textContent(), /saved/)
    t.equal(await page.getByLabel('Name', { exact: true }).inputValue(), 'Lin <b>& Co</b>')

    await page.getByLabel('Current password', { exact: true }).fill('wrong wrong')
    await page.getByLabel('New password', { exact: true }).fill('another fine passphrase')
    await page.getByRole('button', { name: 'Change the password' }).click()
    t.match(await page.getByRole('alert').textContent(), /not your current password/)
    t.equal(await page.evaluate('document.activeElement.id'), 'password', 'where it has to be mended')
    t.match(await page.evaluate('document.activeElement.getAttribute("aria-describedby")'), 'password-error')
    await page.getByLabel('Current password', { exact: true }).fill(password)
    await page.getByLabel('New password', { exact: true }).fill('another fine passphrase')
    await page.getByRole('button', { name: 'Change the password' }).click()
    t.match(await page.getByRole('status').first().textContent(), /password is changed/)

    const other = await (await house.device()).newPage()
    await other.goto(at('/auth/sign-in'))
    await signIn(other, 'lin', 'another fine passphrase')
    await other.waitForURL(at('/auth/account'))
  })

  t.test('an account is deleted with its password, and is gone', async (t) => {
    const page = await (await house.device()).newPage()
    await page.goto(at('/auth/sign-up'))
    await signUp(page, 'brief')
    await page.waitForURL(at('/auth/account'))
    const remove = async (secret: string) => {
      if (
        !(await page
          .locator('details')
          .getAttribute('open')
          .then((open) => open !== null))
      )
        await page.getByText('I want to delete my account').click()
      await page.locator('#delete-password').fill(secret)
      await page.getByRole('button', { name: 'Delete my account' }).click()
    }
    await remove('wrong wrong')
    t.match(await page.getByRole('alert').textContent(), /not your current password/)
    await remove(password)
    t.match(await page.getByRole('status').textContent(), /account is deleted/)
    await signIn(page, 'brief')
    t.match(await page.getByRole('alert').textContent(), /do not belong together/)
  })

  t.test('a page that the policy refuses, or that cannot be had, is a page', async (t) => {
    const page = await (await house.device()).newPage()
    const answer = await page.goto(at('/auth/nothing-here'))
    t.equal(answer?.status(), 404)
    t.equal(await page.textContent('h1'), 'Page not found')
    t.match(await page.textContent('code'), /^[\w.-]{1,128}$/)
  })

  t.test('nothing was blocked and no script failed on the way', async (t) => {
    t.same(house.complaints, [])
  })
})
