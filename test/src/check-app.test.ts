import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { withoutPython } from '../support/python.ts'
import { startUvicorn } from '../support/uvicorn.ts'
import { gatehouse, listening } from './gatehouse.ts'

const taken = `
from fastapi import APIRouter, FastAPI

app = FastAPI()
users = APIRouter(prefix="/auth")

@users.get("/config")
def config() -> dict[str, bool]:
    return {"requireLogin": False}

@users.post("/jwt/login")
def login() -> None: ...

@app.get("/api/authors")
def authors() -> None: ...

app.include_router(users)
`
const more = `
@app.get("/{tenant}/config")
def tenant(tenant: str) -> None: ...

@app.get("/api/{rest:path}")
def rest(rest: str) -> None: ...
`
const guarded = `
import os
from fastapi import FastAPI, Header, HTTPException

app = FastAPI(openapi_url=None)
document = FastAPI()

@document.get("/auth/config")
def config() -> None: ...

@app.get("/openapi.json")
def openapi(x_gatehouse_token: str = Header("")) -> dict:
    if x_gatehouse_token != os.environ["UPSTREAM_TOKEN"]:
        raise HTTPException(401)
    return document.openapi()
`

/** An app, in a folder of its own. */
async function serve(t: Test, source: string, options: { uds?: true; env?: Record<string, string> } = {}) {
  const dir = await mkdtemp(join(tmpdir(), 'gatehouse-app-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  await writeFile(join(dir, 'app.py'), source)
  const { uds, ...others } = options
  return startUvicorn(t, { ...others, ...(uds && { uds: join(dir, 'app.sock') }), app: 'app:app', dir })
}

/** What `check` says about what is behind the gateway, a line each. */
async function check(t: Test, policy: string, env: Record<string, string>): Promise<string[]> {
  const cwd = t.testdir({
    'gatehouse.config.ts': `export default { routes: [{ path: '/*', access: 'session' }], ${policy} }`,
    site: { 'index.html': '', auth: { 'index.html': '' } }
  })
  const { status, stdout, stderr } = await gatehouse(['check'], cwd, env)
  t.equal(stderr, '')
  t.equal(status, 0, stdout)
  return stdout.split('\n').filter((line) => /^\w+ +upstream/.test(line) && !line.endsWith(': accepts connections'))
}

const fine = 'ok    upstream: its redirects lead to the public origin'
const nothing = "ok    upstream: its document has no path that is the gateway's own"

t.test('no path of the app is swallowed without a warning', { skip: await withoutPython() }, async (t) => {
  const app = await serve(t, taken)

  t.test('those that the document spells out', async (t) => {
    t.same(await check(t, '', { UPSTREAM_URL: app.url }), [
      'warn  upstream: its document has paths that the gateway answers itself, so that the app is never asked: /auth/config (under /auth), /auth/jwt/login (under /auth). pages: { path } moves /auth, auth: { basePath } in the policy file moves /api/auth',
      fine
    ])
  })

  t.test('none once the pages are elsewhere, or off', async (t) => {
    t.same(await check(t, `pages: { path: '/account' }`, { UPSTREAM_URL: app.url }), [nothing, fine])
    t.same(await check(t, '', { UPSTREAM_URL: app.url, PAGES: 'false' }), [nothing, fine])
  })

  t.test('those that a moved path takes', async (t) => {
    const [line = ''] = await check(t, `pages: { path: '/account' }, auth: { basePath: '/auth' }`, {
      UPSTREAM_URL: app.url
    })
    t.match(
      line,
      /^warn .*: \/auth\/config \(under \/auth\), \/auth\/jwt\/login \(under \/auth\)\. pages: \{ path \} moves \/account/
    )
    const health = await check(t, `pages: { path: '/account' }`, {
      UPSTREAM_URL: app.url,
      PUBLIC_HEALTH_PATH: '/api/authors'
    })
    t.match(health[0], /^warn .*: \/api\/authors \(under \/api\/authors\)/)
  })

  t.test('those that are taken where a parameter spells them', async (t) => {
    const { url } = await serve(t, taken + more)
    t.same((await check(t, '', { UPSTREAM_URL: url })).slice(1), [
      'warn  upstream: its document has /{tenant}/config: of it the gateway answers what is under /auth, such as /auth/config, itself',
      'warn  upstream: its document has /api/{rest}: of it the gateway answers what is under /api/auth, such as /api/auth, itself',
      fine
    ])
  })

  t.test('of an app on a Unix socket that answers nobody but the gateway', async (t) => {
    const { url } = await serve(t, guarded, { uds: true, env: { UPSTREAM_TOKEN: 'a-token-of-this-test' } })
    const [line] = await check(t, '', { UPSTREAM_URL: url, UPSTREAM_TOKEN: 'a-token-of-this-test' })
    t.match(line, /^warn {2}upstream: .*: \/auth\/config \(under \/auth\)\. /)
  })

  t.test('of servers and folders that the policy file names', async (t) => {
    const upstreams = `upstreams: { other: '${app.url}', site: { directory: 'site' } }`
    const lines = await check(t, upstreams, { UPSTREAM_URL: app.url })
    t.match(
      lines.find((line) => line.startsWith('warn  upstreams.other: ')),
      '/auth/config (under /auth)'
    )
    t.same(
      lines.filter((line) => line.includes('upstreams.site: ')),
      [
        'ok    upstreams.site: is a folder that can be read',
        'warn  upstreams.site: has files at /auth, which the gateway answers itself: they are never sent'
      ]
    )
  })

  t.test('an app without a document is said to have none', async (t) => {
    const silent = `http://127.0.0.1:${await listening(t)}`
    t.same(await check(t, `upstreams: { other: '${silent}' }`, { UPSTREAM_URL: silent }), [
      'skip  upstream: has no document at /openapi.json, so whether the gateway answers paths of the app itself cannot be told'
    ])
  })
})
