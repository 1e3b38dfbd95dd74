import { mkdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { BrowserContext, BrowserContextOptions, Page } from 'playwright-core'
import { startChromium } from '../support/chromium.ts'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'

// `npm run screenshots`: the pages as they are, at phone and desktop size, light and dark, into docs/images.

const folder = process.argv[2] ?? fileURLToPath(new URL('../../docs/images', import.meta.url))
const sizes = { phone: { width: 390, height: 844 }, desktop: { width: 1280, height: 860 } }
const work: (() => unknown)[] = []
const t = { teardown: (step: () => unknown) => void work.unshift(step) }

await mkdir(folder, { recursive: true })
try {
  const upstream = await startEchoUpstream(t)
  const gateway = await startTestGateway(t, {
    upstreamUrl: upstream.url,
    policy: {
      brand: { name: 'Fieldnotes', accent: '#1f6f5c' },
      auth: {
        socialProviders: { github: { clientId: 'id', clientSecret: 'secret' } },
        sendResetPassword: async () => undefined
      }
    }
  })
  const browser = await startChromium(t)
  let people = 0
  const enter = async (
    userAgent: string,
    address: string,
    path: '/sign-up' | '/sign-in',
    options: BrowserContextOptions = {}
  ): Promise<BrowserContext> => {
    const context = await browser.newContext({
      ...options,
      userAgent,
      extraHTTPHeaders: { 'X-Forwarded-For': address }
    })
    const data = { name: 'Ada Lovelace', email: `ada${people}@example.com`, password: 'a fine passphrase' }
    const headers = { origin: gateway.publicUrl }
    const answer = await context.request.post(`${gateway.publicUrl}/api/auth${path}/email`, { data, headers })
    if (!answer.ok()) throw new Error(`${path} was answered with ${answer.status()}`)
    return context
  }

  for (const [size, viewport] of Object.entries(sizes)) {
    for (const colorScheme of ['light', 'dark'] as const) {
      people++
      const phone =
        'Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1'
      const desk = 'Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0'
      const mac =
        'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15'
      // What still moves would be in the picture half-way.
      const options = { viewport, colorScheme, reducedMotion: 'reduce' } as const
      const context = await enter(desk, `203.0.113.${people}`, '/sign-up', options)
      for (const [agent, address] of [
        [phone, `198.51.100.${people}`],
        [mac, `2001:db8:0:${people}::1`]
      ] as const)
        await (await enter(agent, address, '/sign-in')).close()

      const shot = async (page: Page, name: string, fullPage = false) => {
        await page.screenshot({ path: `${folder}/${name}-${size}-${colorScheme}.png`, fullPage })
      }
      const inside = await context.newPage()
      await inside.goto(`${gateway.publicUrl}/auth/account`)
      await shot(inside, 'account', true)
      const outside = await (await browser.newContext(options)).newPage()
      await outside.goto(`${gateway.publicUrl}/auth/sign-in`)
      await shot(outside, 'sign-in')
      await outside.goto(`${gateway.publicUrl}/auth/sign-up`)
      await shot(outside, 'sign-up')
      await outside.goto(`${gateway.publicUrl}/auth/nothing`)
      await shot(outside, 'refusal')
      await context.close()
      await outside.context().close()
    }
  }
} finally {
  for (const step of work) await step()
}
