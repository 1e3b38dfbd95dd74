import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import t from 'tap'
import policy from '../../examples/docusaurus/gatehouse.config.mts'
import { upstreamsShape } from '../../src/config/policy-upstreams.ts'
import { Browser } from '../support/browser.ts'
import { startChromium, withoutChromium } from '../support/chromium.ts'
import { makeSite, withoutSite } from '../support/docusaurus.ts'
import { startTestGateway } from '../support/gateway.ts'
import { withoutPython } from '../support/python.ts'
import { startUvicorn } from '../support/uvicorn.ts'
import { becomes, signIn, signUp } from './house.ts'

// Words of the members' pages that stand nowhere else.
const secrets = /moonberries|sparrow feather/
const skip = withoutChromium() || (await withoutSite()) || (await withoutPython())

t.test('a Docusaurus site on the origin of the gateway', { skip }, async (t) => {
  const site = await makeSite()
  const uvicorn = await startUvicorn(t)
  const gateway = await startTestGateway(t, {
    upstreamUrl: uvicorn.url,
    policy: { ...policy, upstreams: upstreamsShape(site).parse(policy.upstreams) }
  })
  const at = (path: string) => gateway.publicUrl + path

  t.test(
    'no page, script or picture of the members’ is served without a session, and none of it is public',
    async (t) => {
      const nobody = new Browser(gateway.url, gateway.publicUrl)
      const open = filesIn(join(site, 'build/public'))
      const closed = filesIn(join(site, 'build/private'))
      t.ok(closed.some((path) => secrets.test(readFileSync(join(site, 'build/private', path), 'latin1'))))
      for (const path of closed) {
        const { status, text } = await nobody.ask(`/${path}`)
        t.equal(status, 401, path)
        t.notMatch(text, secrets)
      }
      for (const path of open) {
        const { status, text } = await nobody.ask(`/${path}`)
        t.equal(status, 200, path)
        t.notMatch(text, secrets, path)
      }
      const ada = new Browser(gateway.url, gateway.publicUrl)
      await ada.signUp('ada')
      for (const path of closed) t.equal((await ada.ask(`/${path}`)).status, 200, path)
    }
  )

  t.test('a stranger reads, signs up on the way to the members’ pages, is known there, and leaves', async (t) => {
    const chromium = await startChromium(t)
    const page = await chromium.newPage({ extraHTTPHeaders: { 'X-Forwarded-For': '10.78.0.1' } })
    page.setDefaultTimeout(60_000)
    const complaints = complaintsOf(page)
    await page.goto(at('/'))
    await page.getByRole('link', { name: 'Sign in' }).waitFor()
    await page.getByRole('link', { name: 'Documentation' }).click()
    await page.getByRole('heading', { name: 'What Lantern is' }).waitFor()
    t.equal(page.url(), at('/docs/'))

    await page.getByRole('link', { name: 'Members', exact: true }).click()
    await page.waitForURL(at('/auth/sign-in?next=%2Fmembers%2F'))
    await page.getByRole('link', { name: 'Create one' }).click()
    await signUp(page, 'grace')
    await page.waitForURL(at('/members/'))
    await page.getByText('moonberries').waitFor()
    await page.getByRole('link', { name: 'grace', exact: true }).waitFor()
    await page.getByRole('link', { name: 'How to keep it burning' }).click()
    await page.waitForURL(at('/members/wick/'))
    await page.getByText('sparrow feather').waitFor()

    await page.getByRole('link', { name: 'API', exact: true }).click()
    await page.waitForURL(at('/api/'))
    await ask(page, '/me', /^200 .*grace@example\.com/s)
    await ask(page, '/feed', /Hello, grace@example\.com/)

    await page.goto(at('/members/wick/'))
    await page.goto(at('/docs/'))
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByRole('link', { name: 'Sign in' }).waitFor()
    await page.goBack({ waitUntil: 'commit' })
    await page.waitForURL(/\/auth\/sign-in\?next=%2Fmembers%2Fwick%2F/)
    t.notMatch(await page.locator('body').innerText(), secrets, 'and the way back shows nothing')
    await signIn(page, 'grace')
    await page.getByText('sparrow feather').waitFor()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.waitForURL(/\/auth\/sign-in\?next=%2Fmembers%2Fwick%2F/)
    await page.goto(at('/api/'))
    await page.getByRole('link', { name: 'Sign in' }).waitFor()
    await ask(page, '/me', /^401 .*SESSION_REQUIRED/s)
    await ask(page, '/feed', /Hello, stranger/)
    t.same(complaints, [])
  })
})

function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
}

// What the page itself did wrong; that a request was refused is meant.
function complaintsOf(page: Page): string[] {
  const complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('console', (message) => {
    if (message.type() === 'error' && !/status of 401/.test(message.text())) complaints.push(message.text())
  })
  return complaints
}

async function ask(page: Page, path: string, answer: RegExp): Promise<void> {
  // A button that is there before its script is does nothing.
  await becomes(page, 'document.documentElement.dataset.hasHydrated', 'true')
  await page.getByRole('button', { name: `GET ${path}` }).click()
  await page.getByRole('status', { name: 'Answer' }).filter({ hasText: answer }).waitFor()
}
