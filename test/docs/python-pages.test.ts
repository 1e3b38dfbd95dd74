import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import type { PolicyConfig } from '../../src/policy-file.ts'
import { withAdmin } from '../support/admin-plugin.ts'
import { type Answer, Browser } from '../support/browser.ts'
import { startTestGateway } from '../support/gateway.ts'
import { pytestPython, withoutPython, withoutServers } from '../support/python.ts'
import { startServer } from '../support/servers.ts'
import { startUvicorn } from '../support/uvicorn.ts'
import { blocksOf, blockWith, pageOf } from './documents.ts'

const token = 'a token of this test'
const policy: Partial<PolicyConfig> = {
  routes: [
    { path: '/health', access: 'public' },
    { path: '/feed', access: 'optional' },
    { path: '/who', access: 'optional' }
  ],
  auth: {
    ...withAdmin,
    user: { additionalFields: { creditLimit: { type: 'number', input: false, defaultValue: 500 } } }
  },
  principalHeaders: ['name', 'role', 'sessionCreatedAt', 'creditLimit']
}
const lies = { 'X-User-Id': 'root', X_User_Id: 'root', 'x_user-role': 'admin', 'X-User-Role': 'admin' }

/** The files that a page shows, by the names in their first lines. */
function filesOf(page: string): Record<string, string> {
  const shown = blocksOf(pageOf(page)).flatMap(({ language, text }) => {
    const name = language === 'python' ? /^# (\w+\.py)\n/.exec(text)?.[1] : undefined
    return name === undefined ? [] : [[name, text] as const]
  })
  return Object.fromEntries(shown)
}

/** A gateway before what listens there, with somebody who has signed up, and somebody who has not. */
async function before(t: Test, upstreamUrl: string) {
  const gateway = await startTestGateway(t, { upstreamUrl, policy, env: { UPSTREAM_TOKEN: token } })
  const ada = new Browser(gateway.url, gateway.publicUrl)
  const signedUp = await ada.signUp('ada')
  t.equal(signedUp.status, 200, signedUp.text)
  const stranger = new Browser(gateway.url, gateway.publicUrl)
  return { ada, stranger, id: (signedUp.json() as { user: { id: string } }).user.id }
}

const said = ({ status, text }: Answer) => [status, text] as const

/** What Flask's page and Django's say of their apps, which have the same routes. */
async function isAsTheyShow(t: Test, url: string) {
  const { ada, stranger, id } = await before(t, url)
  for (const headers of [{}, lies]) {
    t.same((await ada.ask('/me', { headers })).json(), { id, email: 'ada@example.com', email_verified: false })
    t.same((await ada.ask('/feed', { headers })).json(), { message: 'Hello, ada@example.com.' })
    t.same((await stranger.ask('/feed', { headers })).json(), { message: 'Hello, stranger.' })
    t.equal((await stranger.ask('/health', { headers })).status, 200)
  }
  // Around the gateway.
  const asked = async (path: string, headers: Record<string, string>) => (await fetch(url + path, { headers })).status
  const eve = { 'X-User-Id': 'eve', 'X-User-Email': 'eve@example.com', 'X-User-Email-Verified': 'true' }
  const gatewayToken = { 'X-Gatehouse-Token': token }
  t.equal(await asked('/me', { ...eve, ...gatewayToken }), 200)
  t.equal(await asked('/me', gatewayToken), 401)
  t.equal(await asked('/me', { ...eve, ...gatewayToken, 'X-User-Email': '' }), 401)
  for (const path of ['/me', '/feed']) t.equal(await asked(path, eve), 401, path)
  t.equal(await asked('/health', eve), 200)
  return { asked, admin: { ...eve, ...gatewayToken, 'X-User-Role': 'admin' } }
}

t.test('what docs/fastapi.md shows', { skip: await withoutPython() }, async (t) => {
  const mounted = `
from fastapi import FastAPI
import account, main, members

app = FastAPI()
for name in ("account", "main", "members"):
    app.mount("/" + name, globals()[name].app)
`
  const files = filesOf('docs/fastapi.md')
  t.same(Object.keys(files).sort(), ['account.py', 'main.py', 'members.py', 'test_app.py'])
  const dir = t.testdir({ ...files, 'together.py': mounted })

  await t.test('runs behind a gateway', async (t) => {
    const app = await startUvicorn(t, { dir, app: 'together:app', env: { UPSTREAM_TOKEN: token } })
    const { ada, stranger, id } = await before(t, app.url)
    t.same((await ada.ask('/main/me')).json(), { id, email: 'ada@example.com' })
    t.equal((await stranger.ask('/main/me')).status, 401)
    t.equal((await ada.ask('/main/feed')).json(), 'Hello, ada@example.com.')
    t.equal((await ada.ask('/main/invitations')).status, 403)
    t.match(said(await ada.ask('/account/admin')), [403, /another role/])
    t.same(said(await ada.ask('/account/limit')), [200, '500'])
    t.match(said(await ada.ask('/account/account', { method: 'DELETE' })), [403, /verified/])
    t.equal((await ada.ask('/members/who')).json(), 'ada')
    t.equal((await ada.ask('/members/members')).json(), id)
    t.equal((await ada.ask('/members/stats')).status, 403)
    t.equal((await fetch(`${app.url}/members/who`)).status, 401, 'around the gateway')
  })

  await t.test('has tests that pass without one', async (t) => {
    const { stdout } = await promisify(execFile)(
      await pytestPython(),
      ['-m', 'pytest', '-q', '-p', 'no:cacheprovider', 'test_app.py'],
      { cwd: dir, env: { PATH: process.env['PATH'], PYTHONDONTWRITEBYTECODE: '1' } }
    )
    t.match(stdout, /3 passed/)
  })
})

t.test('what docs/flask.md shows', { skip: await withoutServers() }, async (t) => {
  const dir = t.testdir(filesOf('docs/flask.md'))
  const [module = '', ...args] = blockWith('docs/flask.md', 'gunicorn --').trim().split(' ')
  const server = await startServer(t, {
    module,
    args: (port) => args.map((arg) => arg.replace('8000', String(port))),
    dir,
    env: { UPSTREAM_TOKEN: token }
  })
  const { asked, admin } = await isAsTheyShow(t, server.url)
  t.equal(await asked('/admin/stats', admin), 200)
  t.equal(await asked('/admin/stats', { ...admin, 'X-User-Role': 'user' }), 403)
})

t.test('what docs/django.md shows, under WSGI and under ASGI', { skip: await withoutServers() }, async (t) => {
  const dir = t.testdir(filesOf('docs/django.md'))
  const settings = filesOf('docs/django.md')['settings.py']?.replace('app.example.com', 'localhost", "127.0.0.1')
  await writeFile(join(dir, 'settings.py'), `${settings}\nSECRET_KEY = "unused"\nROOT_URLCONF = "urls"\n`)
  for (const kind of ['wsgi', 'asgi'])
    await writeFile(
      join(dir, `${kind}.py`),
      `from django.core.${kind} import get_${kind}_application\n\napplication = get_${kind}_application()\n`
    )
  const env = { UPSTREAM_TOKEN: token, DJANGO_SETTINGS_MODULE: 'settings' }
  for (const [module, ...args] of [
    ['gunicorn', '--bind', '127.0.0.1:8000', 'wsgi:application'],
    ['uvicorn', '--port', '8000', 'asgi:application']
  ] as const)
    await t.test(module, async (t) => {
      const server = await startServer(t, {
        module,
        args: (port) => args.map((arg) => arg.replace('8000', String(port))),
        dir,
        env
      })
      await isAsTheyShow(t, server.url)
    })
})
