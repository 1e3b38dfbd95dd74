import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { request } from 'undici'
import { appEnvironment } from '../../src/dev/app-process.ts'
import { portInUse } from '../../src/dev/ports.ts'
import { startChromium, withoutChromium } from '../support/chromium.ts'
import { app, areGone, descendants, makeProject, policy, startDev } from '../support/dev-process.ts'
import { withoutIpv6 } from '../support/ipv6.ts'
import { withoutPython } from '../support/python.ts'
import { until } from '../support/until.ts'

const skip = (await withoutPython()) || withoutChromium()

t.setTimeout(600_000)

const password = 'correct horse battery'

t.test('one command starts all of it, follows what changes, and ends all of it', { skip }, async (t) => {
  const cwd = await makeProject(t)
  const dev = await startDev(t, { cwd, args: ['main:app'] })
  const publicUrl = await dev.ready()
  t.match(publicUrl, /^http:\/\/localhost:\d+$/)
  t.equal(await readFile(join(cwd, '.data/.gitignore'), 'utf8'), '*\n', 'no repository gets the secret')
  const browser = await startChromium(t)
  const page = await browser.newPage()
  page.setDefaultTimeout(60_000)
  const me = async () => {
    const response = await page.goto(`${publicUrl}/me`)
    return response?.status() === 200 ? response.json() : response?.status()
  }

  await t.test('somebody signs up in the browser, and FastAPI is told the name', async (t) => {
    await page.goto(`${publicUrl}/me?from=here`)
    await page.getByRole('link', { name: 'Create one' }).click()
    await page.getByLabel('Name', { exact: true }).fill('Ada')
    await page.getByLabel('Email address').fill('ada@example.com')
    await page.getByLabel('Password', { exact: true }).fill(password)
    await page.getByRole('button', { name: 'Create account' }).click()
    await page.waitForURL(/\/me\?from=here/)
    t.same(await me(), { email: 'ada@example.com', name: 'Ada' })
  })

  await t.test('it is there on both loopback addresses, and nobody else can have either', async (t) => {
    const port = Number(new URL(publicUrl).port)
    t.equal(await portInUse(port), true)
    for (const host of withoutIpv6() === false ? ['127.0.0.1', '[::1]'] : ['127.0.0.1']) {
      const { statusCode } = await request(`http://${host}:${port}/greeting`, {
        headers: { host: `localhost:${port}` }
      })
      t.equal(statusCode, 200, host)
    }
  })

  await t.test('each request is a line, in JSON where it may be kept, without who asked', async (t) => {
    const lines = dev
      .output()
      .split('\n')
      .filter((line) => line.includes('"msg":"request"'))
      .map((line) => JSON.parse(line))
    const [first] = lines
    t.match(first, { method: 'GET', path: '/me', status: 303, ms: Number, rule: 'none' })
    t.equal(first.why, 'rule none names it, so it needs a session, and no session came with it')
    const known = lines.find(({ path, status }) => path === '/me' && status === 200)
    t.match(known, { userId: String, rule: 'none' })
    t.notMatch(dev.output(), /ada@example\.com|from=here|correct horse/)
  })

  await t.test('a policy that is replaced holds at once, and nobody is signed out', async (t) => {
    const since = dev.output().length
    await writeFile(join(cwd, 'new'), policy.replace("access: 'public'", "access: 'deny'"))
    await rename(join(cwd, 'new'), join(cwd, 'gatehouse.config.ts'))
    await dev.printed('everybody is still signed in', since)
    t.match(dev.output().slice(since), 'gatehouse.config.ts changed.')
    t.equal((await fetch(`${publicUrl}/greeting`)).status, 404)
    t.same(await me(), { email: 'ada@example.com', name: 'Ada' })
  })

  await t.test('a policy with a mistake is told of, and the one before goes on', async (t) => {
    const since = dev.output().length
    await writeFile(join(cwd, 'gatehouse.config.ts'), 'export default { routes: [')
    await dev.printed('The gateway goes on with the policy that it has.', since)
    t.match(dev.output().slice(since), /gatehouse\.config\.ts:1: cannot be imported: SyntaxError/)
    t.equal((await fetch(`${publicUrl}/greeting`)).status, 404)
    t.same(await me(), { email: 'ada@example.com', name: 'Ada' })
  })

  await t.test('files that the policy imports belong to it', async (t) => {
    const since = dev.output().length
    await writeFile(join(cwd, 'rules.ts'), "export const access = 'deny'\n")
    const importing = policy.replace("access: 'public'", 'access')
    await writeFile(join(cwd, 'gatehouse.config.ts'), `import { access } from './rules.ts'\n${importing}`)
    await dev.printed('everybody is still signed in', since)
    const later = dev.output().length
    await writeFile(join(cwd, 'rules.ts'), "export const access = 'public'\n")
    await dev.printed('everybody is still signed in', later)
    t.match(dev.output().slice(later), 'rules.ts changed.')
    t.equal((await fetch(`${publicUrl}/greeting`)).status, 200)
  })

  await t.test('an app that is changed is loaded anew', async () => {
    await writeFile(join(cwd, 'main.py'), app.replace('good morning', 'good evening'))
    await until(async () => (await (await fetch(`${publicUrl}/greeting`)).text()).includes('good evening'), 60_000)
  })

  await t.test('what dies is started again', async (t) => {
    const processes = await descendants(dev.child.pid)
    const pidOf = (part: string) =>
      [...processes].find(([, args]) => args.includes(part) && !args.startsWith('/bin/sh'))?.[0] ?? 0
    let since = dev.output().length
    process.kill(pidOf('dev-gateway'), 'SIGKILL')
    await dev.printed('The gateway is back.', since)
    t.match(dev.output().slice(since), 'The gateway stopped (SIGKILL). It is started again.')
    t.same(await me(), { email: 'ada@example.com', name: 'Ada' }, 'still signed in')
    since = dev.output().length
    const [again = 0] =
      [...(await descendants(dev.child.pid))].find(([, args]) => /^\S+node\S* .* dev-gateway$/.test(args)) ?? []
    process.kill(again, 'SIGKILL')
    const other = createServer()
    await until(
      () =>
        new Promise<boolean>((resolve) => {
          other.once('error', () => resolve(false))
          other.listen(Number(new URL(publicUrl).port), '127.0.0.1', () => resolve(true))
        })
    )
    await dev.printed('The gateway is tried again every 5 s', since)
    t.match(dev.output().slice(since), 'is already in use')
    other.close()
    await dev.printed('The gateway is back.', since)
    since = dev.output().length
    process.kill(pidOf('uvicorn'), 'SIGKILL')
    await dev.printed('The app answers again.', since)
    t.match(dev.output().slice(since), /The app stopped \(SIGKILL\)\. It is started again in (?:0\.5|1) s/)
    t.same(await me(), { email: 'ada@example.com', name: 'Ada' })
  })

  await t.test('a mail that the policy has no sender for is on a page, and its link in no log', async (t) => {
    const since = dev.output().length
    await page.goto(`${publicUrl}/auth/forgot-password`)
    await page.getByLabel('Email address').fill('ada@example.com')
    await page.getByRole('button', { name: 'Send the mail' }).click()
    await dev.printed(`it is on ${publicUrl}/auth/dev/mail`, since)
    t.notMatch(dev.output().slice(since), /ada@example\.com|reset-password\//)
    await page.goto(`${publicUrl}/auth/dev/mail`)
    await page.getByRole('link', { name: /reset-password/ }).click()
    await page.getByLabel('Password', { exact: true }).fill('battery staple horse')
    await page.getByRole('button', { name: 'Change the password' }).click()
    await page.getByText('Your password is changed').waitFor()
  })

  const processes = await descendants(dev.child.pid)
  t.match([...processes.values()].join('\n'), /uvicorn main:app --reload --host 127\.0\.0\.1/)
  dev.child.kill('SIGINT')
  t.equal(await dev.ended, 0)
  await areGone(processes)
})

t.test('killed as nobody can refuse, it leaves no process behind', { skip }, async (t) => {
  const dev = await startDev(t, { cwd: await makeProject(t), args: ['main:app'] })
  await dev.ready()
  const processes = await descendants(dev.child.pid)
  t.ok(processes.size >= 4, 'a gateway, uvicorn, what it reloads, and who waits for the end of this')
  dev.child.kill('SIGKILL')
  await dev.ended
  await areGone(processes)
})

t.test('a policy with a mistake at the start waits to be mended', { skip }, async (t) => {
  const cwd = await makeProject(t, { 'gatehouse.config.ts': "export default { routes: [{ path: 'x' }] }" })
  const dev = await startDev(t, { cwd, args: ['main:app'] })
  await dev.printed('The gateway waits for the next change of the policy.')
  t.match(dev.output(), /routes\[0\]\.access: must be public, optional, session or deny/)
  await writeFile(join(cwd, 'gatehouse.config.ts'), policy)
  const publicUrl = await dev.ready()
  t.equal((await fetch(`${publicUrl}/greeting`)).status, 200)
})

t.test('a policy in TOML is followed as well, and two of them are told of', { skip }, async (t) => {
  const cwd = await makeProject(t, {
    'pyproject.toml': '[project]\nname = "shop"\n',
    'gatehouse.toml': `[[routes]]
path = "/greeting"
access = "public"

[auth.plugins.magic_link]
`
  })
  await rm(join(cwd, 'gatehouse.config.ts'))
  const dev = await startDev(t, { cwd })
  const publicUrl = await dev.ready()
  t.equal((await fetch(`${publicUrl}/greeting`)).status, 200)
  const asked = await fetch(`${publicUrl}/api/auth/sign-in/magic-link`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: publicUrl },
    body: '{"email":"ada@example.com"}'
  })
  t.equal(asked.status, 200)
  await dev.printed('a mail that the policy has no sender for')
  const page = await fetch(`${publicUrl}/auth/dev/mail`)
  t.match(await page.text(), /magic-link\/verify\?token=/, 'of a plugin that is switched on')

  const since = dev.output().length
  await writeFile(join(cwd, 'pyproject.toml'), '[project]\nname = "lamps"\n')
  await writeFile(join(cwd, 'gatehouse.toml'), '[[routes]]\npath = "/greeting"\naccess = "deny"\n')
  await dev.printed('everybody is still signed in', since)
  t.notMatch(dev.output().slice(since), 'pyproject', 'which says nothing of the gateway')
  t.equal((await fetch(`${publicUrl}/greeting`)).status, 404)
  await writeFile(join(cwd, 'pyproject.toml'), '[tool.gatehouse]\n')
  await dev.printed('The gateway goes on with the policy that it has.', since)
  t.match(dev.output().slice(since), 'there is more than one policy')
})

t.test('any other command may start the app, and is told the port', { skip }, async (t) => {
  const cwd = await makeProject(t, {
    'serve.py': `import json, os, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        seen = {"port": os.environ["PORT"] == sys.argv[1], "secret": "BETTER_AUTH_SECRET" in os.environ,
                "token": self.headers["X-Gatehouse-Token"] == os.environ["UPSTREAM_TOKEN"]}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(seen).encode())
    do_HEAD = do_GET

HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
`
  })
  const secret = 'a secret that is long enough for this'
  const env = {
    BETTER_AUTH_SECRET: secret,
    BETTER_AUTH_SECRET_PREVIOUS_FILE: '/x',
    DATABASE_URL: 'postgres://localhost/shop',
    DATABASE_URL_FILE: '/x',
    DATABASE_URL_UNPOOLED: 'postgres://localhost/shop',
    DATABASE_URL_UNPOOLED_FILE: '/x',
    UPSTREAM_TOKEN_FILE: '/x',
    STRIPE_KEY: 'its own'
  }
  const { DATABASE_URL, STRIPE_KEY } = env
  const told = { UPSTREAM_TOKEN: 'token', PORT: '1', FORWARDED_ALLOW_IPS: '127.0.0.1', PYTHONUNBUFFERED: '1' }
  t.same(appEnvironment(env, 1, 'token'), {
    ...{ UVICORN_ACCESS_LOG: 'false', UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN: '2' },
    ...told,
    ...{ DATABASE_URL, STRIPE_KEY }
  })
  const args = ['--', 'python3', 'serve.py', '{PORT}']
  const dev = await startDev(t, { cwd, args, env: { BETTER_AUTH_SECRET: secret } })
  const answer = await fetch(`${await dev.ready()}/greeting`)
  t.same(await answer.json(), { port: true, secret: false, token: true })
  // An app that runs already.
  const upstream = await startDev(t, { cwd: await makeProject(t), args: ['--upstream', 'http://127.0.0.1:9'] })
  t.equal((await fetch(`${await upstream.ready()}/greeting`)).status, 502)
  await upstream.printed('"code":"UPSTREAM_UNREACHABLE"')
})
