import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core'
import { WebSocketServer } from 'ws'
import type { PolicyConfig } from '../../src/policy-file.ts'
import { startChromium } from '../support/chromium.ts'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'
import type { Teardown } from '../support/postgres.ts'
import { until } from '../support/until.ts'

export const password = 'correct horse battery'

/** A gateway with an application of pages behind it, and a browser in front. */
export interface House {
  readonly gateway: TestGateway
  readonly browser: Browser
  /** What a browser complained about: blocked content, failed scripts. */
  readonly complaints: string[]
  /** Another device, with cookies and an address of its own. */
  device(options?: BrowserContextOptions): Promise<BrowserContext>
  /** The address of a path on the public origin. */
  at(path: string): string
}

export interface HouseOptions {
  readonly policy?: Partial<PolicyConfig>
  readonly env?: Record<string, string>
}

let devices = 0

/** Starts all of it, closed with the test. */
export async function startHouse(t: Teardown, options: HouseOptions = {}): Promise<House> {
  const upstreamUrl = await startApplication(t)
  const gateway = await startTestGateway(t, {
    upstreamUrl,
    policy: { routes: [{ path: '/', access: 'optional' }], ...options.policy },
    ...(options.env === undefined ? {} : { env: options.env })
  })
  const browser = await startChromium(t)
  const complaints: string[] = []

  return {
    gateway,
    browser,
    complaints,
    at: (path) => gateway.publicUrl + path,
    async device(contextOptions = {}) {
      devices++
      const context = await browser.newContext({
        ...contextOptions,
        extraHTTPHeaders: { 'X-Forwarded-For': `10.77.${devices >> 8}.${devices & 255}` }
      })
      context.setDefaultTimeout(60_000)
      context.on('weberror', (error) => complaints.push(error.error().message))
      context.on('console', (message) => {
        if (message.type() === 'error' && /Content Security Policy|Trusted/.test(message.text()))
          complaints.push(message.text())
      })
      return context
    }
  }
}

/** Waits until an expression has this value in the page: what has the focus, say, comes a moment after the page. */
export function becomes(page: Page, expression: string, value: unknown): Promise<void> {
  return until(async () => (await page.evaluate(expression)) === value)
}

/** Fills in the sign-up page that is open, and waits for where it leads. */
export async function signUp(page: Page, name: string): Promise<void> {
  await page.getByLabel('Name', { exact: true }).fill(name)
  await page.getByLabel('Email address').fill(`${name}@example.com`)
  await page.getByLabel('Password', { exact: true }).fill(password)
  await page.getByRole('button', { name: 'Create account' }).click()
}

/** Fills in the sign-in page that is open. */
export async function signIn(page: Page, name: string, secret = password): Promise<void> {
  await page.getByLabel('Email address').fill(`${name}@example.com`)
  await page.getByLabel('Password', { exact: true }).fill(secret)
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
}

async function startApplication(t: Teardown): Promise<string> {
  const server = createServer(answer)
  const sockets = new WebSocketServer({ server, path: '/live' })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const socket of sockets.clients) socket.terminate()
    server.close()
    server.closeAllConnections()
  })
  const address = server.address()
  return `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  const who = request.headers['x-user-email'] ?? 'nobody'
  if (request.url === '/private/elsewhere') {
    // Its own address, which is another origin than the gateway's.
    response.writeHead(303, { location: `http://127.0.0.1:${request.socket.localPort}/arrived` }).end()
    return
  }
  response.setHeader('content-type', 'text/html; charset=utf-8')
  if (request.url === '/private/quiet') response.setHeader('referrer-policy', 'no-referrer')
  const form = '<form method="post" action="/private/save"><input name="text"><button>Save</button></form>'
  const sandbox = `<iframe sandbox="allow-forms" srcdoc='${form}'></iframe>`
  response.end(`<!doctype html><html lang="en"><title>${request.url?.replace(/[<&]/g, '')}</title>
<h1>Hello, ${who}</h1><a href="/private/next">Next</a>
<output>${request.headers.origin ?? 'no origin'}</output>
${request.url === '/private/sandbox' ? sandbox : form}`)
}
