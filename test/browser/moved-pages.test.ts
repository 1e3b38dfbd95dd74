import t from 'tap'
import { withoutChromium } from '../support/chromium.ts'
import { signIn, signUp, startHouse } from './house.ts'

t.test('people and pages that were moved', { skip: withoutChromium() }, async (t) => {
  const house = await startHouse(t, {
    policy: { pages: { path: '/account' }, auth: { basePath: '/identity' } }
  })
  const { at } = house
  const shown: string[] = []

  t.test('who loads a private page signs up on the way, with style and script from the new place', async (t) => {
    const page = await (await house.device()).newPage()
    page.on('response', (response) => {
      shown.push(`${response.status()} ${new URL(response.url()).pathname}`)
    })
    await page.goto(at('/private/manual#chapter-3'))
    t.equal(page.url(), at('/account/sign-in?next=%2Fprivate%2Fmanual#chapter-3'))
    for (const file of ['pages.css', 'colors.css', 'pages.js', 'logo'])
      t.ok(shown.includes(`200 /account/assets/${file}`), file)
    await page.getByRole('link', { name: 'Create one' }).click()
    await page.getByRole('button', { name: /^Show/ }).waitFor()
    await signUp(page, 'ada')
    await page.waitForURL(at('/private/manual#chapter-3'))
    t.equal(await page.textContent('h1'), 'Hello, ada@example.com')
  })

  t.test('a device that another signs out is sent to the new sign-in page by itself', async () => {
    const [desk, phone] = [await (await house.device()).newPage(), await (await house.device()).newPage()]
    for (const page of [desk, phone]) {
      await page.goto(at('/account'))
      await signIn(page, 'ada')
      await page.waitForURL(at('/account/account'))
    }
    await phone.getByRole('button', { name: 'Sign out all other devices' }).click()
    await desk.waitForURL(at('/account/sign-in?notice=ended&next=%2Faccount%2Faccount'))
    await phone.getByRole('button', { name: 'Sign out', exact: true }).click()
    await phone.waitForURL(at('/account/sign-in?notice=signed-out'))
  })

  t.test('nothing was blocked, and nothing asked for where it is not', async (t) => {
    t.same(house.complaints, [])
    t.same(
      shown.filter((one) => one.startsWith('4') || /\/(api\/)?auth\//.test(one)),
      []
    )
  })
})
