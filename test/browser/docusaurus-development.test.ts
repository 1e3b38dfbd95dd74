import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { startChromium, withoutChromium } from '../support/chromium.ts'
import { makeSite, siteEnvironment, withoutSite } from '../support/docusaurus.ts'
import { startTestGateway } from '../support/gateway.ts'
import { freePort } from '../support/ports.ts'
import { withoutPython } from '../support/python.ts'
import { until } from '../support/until.ts'
import { startUvicorn } from '../support/uvicorn.ts'
import { becomes, signUp } from './house.ts'

const skip = withoutChromium() || (await withoutSite()) || (await withoutPython())

t.test('Docusaurus’ development server on another port', { skip }, async (t) => {
  const port = await freePort()
  const uvicorn = await startUvicorn(t)
  const gateway = await startTestGateway(t, {
    upstreamUrl: uvicorn.url,
    env: { TRUSTED_ORIGINS: `http://localhost:${port}` },
    policy: {
      upstreams: { site: `http://localhost:${port}` },
      routes: [
        { path: '/*', access: 'public', upstream: 'site' },
        { path: '/hello', access: 'public' },
        { path: '/me', access: 'session' }
      ]
    }
  })
  await startDevelopmentServer(t, port, gateway.publicUrl)
  const chromium = await startChromium(t)
  const context = await chromium.newContext({ extraHTTPHeaders: { 'X-Forwarded-For': '10.79.0.1' } })
  context.setDefaultTimeout(60_000)
  const page = await context.newPage()
  const answer = page.getByRole('status', { name: 'Answer' })
  const ask = async (path: string, expected: RegExp) => {
    // A button that is there before its script is does nothing.
    await becomes(page, 'document.documentElement.dataset.hasHydrated', 'true')
    await page.getByRole('button', { name: `GET ${path}` }).click()
    await answer.filter({ hasText: expected }).waitFor()
  }

  await page.goto(`http://localhost:${port}/api/`)
  await ask('/hello', /^200 /)
  await ask('/me', /^401 .*SESSION_REQUIRED/s)

  await page.getByRole('link', { name: 'Sign in' }).click()
  await page.waitForURL(`${gateway.publicUrl}/auth/sign-in`)
  await page.getByRole('link', { name: 'Create one' }).click()
  await signUp(page, 'ada')
  await page.waitForURL((url) => !url.pathname.startsWith('/auth/sign'))
  await page.goto(`http://localhost:${port}/api/`)
  await page.getByRole('link', { name: 'ada', exact: true }).waitFor()
  await ask('/me', /^200 .*ada@example\.com/s)
  t.pass('a session of the gateway’s origin holds on the other port')

  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.getByRole('link', { name: 'Sign in' }).waitFor()
  await ask('/me', /^401 /)
  t.pass('and ends there')

  const frames: string[] = []
  page.on('websocket', (socket) => {
    socket.on('framereceived', ({ payload }) => frames.push(`${socket.url()} ${payload}`))
  })
  await page.goto(`${gateway.publicUrl}/api/`)
  await ask('/hello', /^200 /)
  const live = `${gateway.publicUrl.replace('http', 'ws')}/ws {`
  await until(() => frames.some((frame) => frame.startsWith(live)))
  t.pass('behind the gateway it goes on telling the browser what to load anew')
})

async function startDevelopmentServer(t: Test, port: number, gatewayUrl: string): Promise<void> {
  const site = await makeSite()
  // What it generates is not the build's.
  const generated = `.docusaurus-${port}`
  const child = spawn(
    process.execPath,
    ['node_modules/.bin/docusaurus', 'start', '--no-open', '--host', 'localhost', '--port', String(port)],
    {
      cwd: site,
      env: { ...siteEnvironment, GATEWAY_URL: gatewayUrl, DOCUSAURUS_GENERATED_FILES_DIR_NAME: generated },
      stdio: ['ignore', 'pipe', 'pipe']
    }
  )
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  t.teardown(async () => {
    const gone = once(child, 'exit')
    if (child.exitCode === null && child.kill('SIGKILL')) await gone
    await rm(join(site, generated), { recursive: true, force: true })
  })
  await until(() => /compiled successfully/i.test(output) || child.exitCode !== null, 240_000)
  if (child.exitCode !== null) throw new Error(`the development server ended: ${output}`)
}
