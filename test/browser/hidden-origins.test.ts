import t from 'tap'
import { withoutChromium } from '../support/chromium.ts'
import { signUp, startHouse } from './house.ts'

t.test('forms of pages that hide their origin', { skip: withoutChromium() }, async (t) => {
  const house = await startHouse(t)
  const page = await (await house.device()).newPage()
  await page.goto(house.at('/auth/sign-up'))
  await signUp(page, 'ada')
  await page.waitForURL(house.at('/auth/account'))

  const saved = () =>
    page.waitForResponse((response) => response.url() === house.at('/private/save') && response.status() !== 303)

  t.test('the form of a page with Referrer-Policy: no-referrer arrives, in the name of who sent it', async (t) => {
    await page.goto(house.at('/private/quiet'))
    const answer = saved()
    await page.getByRole('button', { name: 'Save' }).click()
    t.equal((await answer).status(), 200)
    t.equal(await page.textContent('output'), 'null', 'the browser named no origin')
    t.equal(await page.textContent('h1'), 'Hello, ada@example.com')
  })

  t.test('that of a sandbox in a page of the same origin does not', async (t) => {
    await page.goto(house.at('/private/sandbox'))
    const answer = saved()
    await page.frameLocator('iframe').getByRole('button', { name: 'Save' }).click()
    const request = (await answer).request()
    t.equal(await request.headerValue('origin'), 'null')
    t.not(await request.headerValue('sec-fetch-site'), 'same-origin')
    t.ok([401, 403].includes((await answer).status()), String((await answer).status()))
  })
})
