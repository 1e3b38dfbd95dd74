import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { twoFactor } from 'better-auth/plugins'
import type { Page } from 'playwright-core'
import t from 'tap'
import { Browser } from '../support/browser.ts'
import { withoutChromium } from '../support/chromium.ts'
import { becomes, password, signIn, signUp, startHouse } from './house.ts'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']

/** What axe finds wrong with the page that is open, in both schemes. */
async function findings(page: Page): Promise<string[]> {
  const found: string[] = []
  // Behind a form the page is only on its way, and may have none of its colours yet.
  await page.waitForLoadState()
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
    await page.evaluate(axe)
    const violations: unknown = await page.evaluate(
      `axe.run({ runOnly: ${JSON.stringify(rules)} }).then(({ violations }) => violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ html, any }) => html + ' ' + (any[0]?.message ?? '')).join(' | ')))`
    )
    if (Array.isArray(violations)) found.push(...violations.map((violation) => `${colorScheme}: ${violation}`))
  }
  return found
}

t.test('axe finds nothing, light and dark', { skip: withoutChromium() }, async (t) => {
  const house = await startHouse(t, {
    policy: {
      brand: { name: 'A house', accent: '#f2c230' },
      auth: {
        plugins: [twoFactor({ otpOptions: { sendOTP: async () => undefined } })],
        socialProviders: { github: { clientId: 'id', clientSecret: 'secret' } },
        sendResetPassword: async () => undefined,
        sendVerificationEmail: async () => undefined
      }
    }
  })
  const { at } = house
  const device = await house.device({ viewport: { width: 390, height: 844 } })
  const page = await device.newPage()
  const judged = async (name: string) => t.same(await findings(page), [], name)

  const paths = ['/auth/sign-in', '/auth/sign-up', '/auth/forgot-password', '/auth/reset-password?token=x']
  const asking = [
    '/auth/second-factor?notice=code-sent',
    '/auth/link/verify-email?token=x',
    '/auth/link/delete-user/callback'
  ]
  for (const path of [...paths, ...asking]) {
    await page.goto(at(path))
    await judged(path)
  }
  await page.goto(at('/auth/sign-in'))
  await signIn(page, 'nobody')
  await judged('a sign-in that failed')
  await page.goto(at('/auth/nothing'))
  await judged('a refusal')

  await page.goto(at('/auth/sign-up'))
  await signUp(page, 'ada')
  await page.waitForURL(at('/auth/account'))
  const other = await (await house.device()).newPage()
  await other.goto(at('/auth/sign-in'))
  await signIn(other, 'ada')
  await other.waitForURL(at('/auth/account'))
  await page.reload()
  t.equal(await page.locator('[data-device]').count(), 2)
  await page.getByText('I want to delete my account').click()
  await judged('the account')
  await page.getByLabel('Current password', { exact: true }).fill('wrong wrong')
  await page.getByLabel('New password', { exact: true }).fill('another fine passphrase')
  await page.getByRole('button', { name: 'Change the password' }).click()
  await page.getByRole('alert').waitFor()
  await judged('a form of the account that failed')
  for (let n = 0; n < 25; n++) await new Browser(house.gateway.url, house.gateway.publicUrl).signIn('ada', password)
  await page.goto(at('/auth/account?devices=2'))
  t.equal(await page.locator('[data-device]').count(), 7)
  await judged('a further page of devices')
  await page.getByRole('link', { name: 'Newer' }).click()
  await page.waitForURL(at('/auth/account#devices-title'))
  t.equal(await page.locator('[data-device]').count(), 20)
  await page.goto(at('/auth/sign-out'))
  await judged('/auth/sign-out')
})

t.test(
  'everything is reached with the keyboard, in the order in which it stands',
  { skip: withoutChromium() },
  async (t) => {
    const house = await startHouse(t)
    const page = await (await house.device()).newPage()
    await page.goto(house.at('/auth/sign-in'))
    await becomes(page, 'document.activeElement.name', 'email')
    const reached: unknown[] = []
    for (let steps = 0; steps < 6; steps++) {
      reached.push(await page.evaluate('document.activeElement.name || document.activeElement.textContent.trim()'))
      await page.keyboard.press('Tab')
    }
    t.same(reached, ['email', 'password', 'Show', 'rememberMe', 'Sign in', 'Create one'])
    await page.keyboard.press('Shift+Tab')
    const outline = await page.evaluate('getComputedStyle(document.activeElement).outlineStyle')
    t.equal(outline, 'solid', 'what has the focus shows it')
  }
)

t.test('nothing is cut off at 320 pixels, however long an address is', { skip: withoutChromium() }, async (t) => {
  const house = await startHouse(t)
  const page = await (await house.device({ viewport: { width: 320, height: 640 } })).newPage()
  const overflow = 'document.documentElement.scrollWidth - document.documentElement.clientWidth'
  await page.goto(house.at('/auth/sign-up'))
  await signUp(page, 'maximiliane.von.und.zu.hohenlohe-langenburg-schillingsfuerst')
  await page.waitForURL(house.at('/auth/account'))
  t.equal(await page.evaluate(overflow), 0)
  await page.goto(house.at('/auth/sign-out'))
  t.equal(await page.evaluate(overflow), 0)
})

t.test('what the button of a password is called says what it shows', { skip: withoutChromium() }, async (t) => {
  const house = await startHouse(t)
  const page = await (await house.device()).newPage()
  await page.goto(house.at('/auth/sign-in'))
  const type = 'document.querySelector("#password").type'
  for (const [name, before] of [
    ['Show', 'password'],
    ['Hide', 'text'],
    ['Show', 'password']
  ] as const) {
    t.equal(await page.evaluate(type), before)
    const button = page.getByRole('button', { name: `${name}: Password` })
    t.equal(await button.textContent(), name)
    await button.click()
  }
})
