import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import t from 'tap'
import policy from '../../gatehouse.config.ts'
import { startChromium, withoutChromium } from '../support/chromium.ts'
import { startTestGateway } from '../support/gateway.ts'
import { withoutPython } from '../support/python.ts'
import { startUvicorn } from '../support/uvicorn.ts'
import { signUp } from './house.ts'

const skip = withoutChromium() || (await withoutPython())
const files = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'))

t.test('who is signed in tries the app out in /docs, where a lock is on what needs a user', { skip }, async (t) => {
  const upstream = await startUvicorn(t)
  const gateway = await startTestGateway(t, { upstreamUrl: upstream.url, policy })
  const at = (path: string) => gateway.publicUrl + path
  const context = await (await startChromium(t)).newContext()
  context.setDefaultTimeout(60_000)
  // FastAPI's page takes Swagger UI from elsewhere. Here nothing is fetched from elsewhere.
  await context.route(
    (url) => url.origin !== gateway.publicUrl,
    async (route) => {
      const name = /\/swagger-ui-dist@[^/]+\/([\w.-]+)$/.exec(route.request().url())?.[1]
      if (name === undefined) return route.abort()
      const contentType = name.endsWith('.css') ? 'text/css' : 'text/javascript'
      return route.fulfill({ contentType, body: await readFile(join(files, name)) })
    }
  )
  const page = await context.newPage()
  const operation = (id: string) => page.locator(`#operations-default-${id}`)

  async function tryOut(id: string): Promise<{ status: string; body: string }> {
    await operation(id).locator('.opblock-summary-control').click()
    await operation(id).getByRole('button', { name: 'Try it out' }).click()
    await operation(id).getByRole('button', { name: 'Execute' }).click()
    const answer = operation(id).locator('.live-responses-table .response').first()
    const status = (await answer.locator('.response-col_status').innerText()).trim()
    return { status, body: await answer.locator('.response-col_description').innerText() }
  }

  await page.goto(at('/docs'))
  await operation('hello_hello_get').waitFor()
  const locks = (id: string) => operation(id).locator('.authorization__btn').count()
  t.equal(await locks('me_me_get'), 1)
  t.equal(await locks('feed_feed_get'), 1, 'who is signed in is known there')
  t.equal(await locks('hello_hello_get'), 0)
  t.match(await tryOut('me_me_get'), { status: '401', body: /SESSION_REQUIRED/ })

  await page.goto(at('/auth/sign-up?next=/docs'))
  await signUp(page, 'ada')
  await page.waitForURL(at('/docs'))
  t.match(await tryOut('me_me_get'), { status: '200', body: /"email": "ada@example\.com"/ })
  t.match(await tryOut('feed_feed_get'), { status: '200', body: /Hello, ada@example\.com\./ })
  t.match(await tryOut('echo_body_echo_body_post'), { status: '200', body: /"size": 0/ })
})
