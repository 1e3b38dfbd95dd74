import { join } from 'node:path'
import t, { type Test } from 'tap'
import { gatehouse } from '../src/gatehouse.ts'
import { Browser } from '../support/browser.ts'
import { startTestGateway } from '../support/gateway.ts'
import { withoutServers } from '../support/python.ts'
import { type RunningServer, startServer } from '../support/servers.ts'
import { blocksOf, pageOf } from './documents.ts'

const publicUrl = 'https://app.example.com'
const app = `
from fastapi import FastAPI, Request

app = FastAPI()

@app.get("/where")
def where(request: Request) -> dict[str, str]:
    return {"url": str(request.url_for("where")), "client": request.client.host}
`

// What each of the page's commands comes to where nobody has read the page.
const untold: Readonly<Record<string, string>> = {
  'uvicorn --forwarded-allow-ips': 'uvicorn --forwarded-allow-ips 192.0.2.1 --host 127.0.0.1 --port 8000 main:app',
  'hypercorn --bind': 'hypercorn --bind 127.0.0.1:8000 main:app',
  'granian --interface': 'granian --interface asgi --host 127.0.0.1 --port 8000 main:app',
  'daphne --proxy-headers': 'daphne --bind 127.0.0.1 --port 8000 main:app',
  'gunicorn --forwarded-allow-ips':
    'gunicorn --forwarded-allow-ips 192.0.2.1 --worker-class uvicorn.workers.UvicornWorker --bind 127.0.0.1:8000 main:app',
  'gunicorn --worker-class':
    'gunicorn --forwarded-allow-ips 192.0.2.1 --worker-class asgi --bind 127.0.0.1:8000 main:app'
}

/** The commands of the page, each with the file `proxied.py` that is shown before it, if any. */
function cures(): { command: string; proxied: string | undefined }[] {
  let proxied: string | undefined
  return blocksOf(pageOf('docs/fastapi.md')).flatMap(({ language, text }) => {
    if (language === 'python') proxied = text.includes('\nproxied = ') ? text : undefined
    if (!Object.keys(untold).some((beginning) => text.startsWith(beginning))) return []
    const found = { command: text.trim(), proxied: text.includes('proxied:') ? proxied : undefined }
    return [found]
  })
}

/** What the app says behind a gateway, and what `check` says of it. */
async function ask(t: Test, command: string, proxied?: string) {
  const files = { 'main.py': app, ...(proxied === undefined ? {} : { 'proxied.py': proxied }) }
  const policyFile = `export default { routes: [{ path: '/*', access: 'public' }] }`
  const folder = t.testdir({ app: files, 'gatehouse.config.ts': policyFile })
  const [module = '', ...args] = command.split(' ')
  const dir = join(folder, 'app')
  const server: RunningServer = await startServer(t, {
    module,
    args: (port) => args.map((arg) => arg.replace('8000', String(port))),
    dir
  })
  const env = {
    BETTER_AUTH_URL: publicUrl,
    BETTER_AUTH_SECRET: 'a secret of this test, which is long enough',
    DATABASE_DRIVER: 'pglite'
  }
  const policy = { routes: [{ path: '/*', access: 'public' }] } as const
  const gateway = await startTestGateway(t, { upstreamUrl: server.url, env, policy })
  const client = new Browser(gateway.url, publicUrl)
  const where = (await client.ask('/where')).json()
  const redirect = (await client.ask('/where/')).headers['location']
  const told = { ...env, UPSTREAM_URL: server.url, TRUSTED_PROXIES: 'loopback', DATA_DIR: join(folder, 'data') }
  const { stdout } = await gatehouse(['check'], folder, told)
  return { client: client.address, where, redirect, check: stdout }
}

t.test('what the page says of other servers', { skip: await withoutServers() }, async (t) => {
  const found = cures()
  t.equal(found.length, Object.keys(untold).length, 'every server of the page is tried')

  for (const { command, proxied } of found) {
    t.test(command, async (t) => {
      const told = await ask(t, command, proxied)
      t.same(told.where, { url: `${publicUrl}/where`, client: told.client })
      t.equal(told.redirect, `${publicUrl}/where`)
      t.match(told.check, /^ok {4}upstream: its redirects lead to the public origin$/m)
      t.match(told.check, /^ok {4}upstream: its document has no path that is the gateway's own$/m)
    })

    t.test(`${command.split(' ', 1)[0]} that was told nothing`, async (t) => {
      const [, plain = ''] = Object.entries(untold).find(([beginning]) => command.startsWith(beginning)) ?? []
      const { where, redirect, check } = await ask(t, plain)
      t.same(where, { url: 'http://app.example.com/where', client: '127.0.0.1' })
      t.equal(redirect, 'http://app.example.com/where')
      t.match(
        check,
        /^warn {2}upstream: its redirects lead to http:\/\/app\.example\.com instead of https:\/\/app\.example\.com: .*docs\/fastapi\.md/m
      )
    })
  }

  t.test("gunicorn's own worker takes the scheme by its setting, and never the client's address", async (t) => {
    const { where } = await ask(t, 'gunicorn --worker-class asgi --bind 127.0.0.1:8000 main:app')
    t.same(where, { url: `${publicUrl}/where`, client: '127.0.0.1' })
  })
})
