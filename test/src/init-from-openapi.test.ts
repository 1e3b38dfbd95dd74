import { spawn } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { testPython, withoutPython } from '../support/python.ts'
import { gatehouse } from './gatehouse.ts'

const skip = await withoutPython()

const app = `
import asyncio
from fastapi import APIRouter, Depends, FastAPI, WebSocket
from fastapi.security import APIKeyCookie
from fastapi.staticfiles import StaticFiles

print("what an app prints while it is imported")
session = Depends(APIKeyCookie(name="session"))
app = FastAPI(root_path="")
inner = FastAPI()
members = APIRouter(prefix="/members", dependencies=[session])

@app.get("/")
def home(): ...

@app.get("/me", dependencies=[session])
def me(): ...

@app.get("/items/{item_id:int}")
def item(item_id: int): ...

@app.put("/items/{item_id:int}", dependencies=[session])
def put_item(item_id: int): ...

@members.get("/list/")
def members_list(): ...

@inner.get("/open")
def inner_open(): ...

@inner.get("/closed", dependencies=[session])
def inner_closed(): ...

@app.websocket("/chat")
async def chat(websocket: WebSocket): ...

@app.get("/hidden", include_in_schema=False)
def hidden(): ...

@members.get("/hidden", include_in_schema=False)
def members_hidden(): ...

@members.get("/files/{name:path}")
def members_files(name: str): ...

app.include_router(members)
app.mount("/inner", inner)
app.mount("/static", StaticFiles(directory=".", check_dir=False))

@app.get("/{rest:path}")
def everything_else(rest: str): ...

def make():
    return app
`

const expected = `routes = [
  # { path = "/", access = "public", methods = ["GET"] },  # decide: the document asks for no credentials
  { path = "/me", access = "session" },
  # { path = "/items/:item_id", access = "public", methods = ["GET"] },  # decide: the document asks for no credentials
  { path = "/items/:item_id", access = "session" },
  { path = "/members/list", access = "session" },
  { path = "/members/files/*", access = "session" },
  # { path = "/inner/open", access = "public", methods = ["GET"] },  # decide: the document asks for no credentials
  { path = "/inner/closed", access = "session" },
  # { path = "/*", access = "public", methods = ["GET"] },  # decide: the document asks for no credentials; this opens every such path that no other rule names
  { path = "/openapi.json", access = "session" },  # not in the document: route
  { path = "/docs", access = "session" },  # not in the document: route
  { path = "/docs/oauth2-redirect", access = "session" },  # not in the document: route
  { path = "/redoc", access = "session" },  # not in the document: route
  { path = "/chat", access = "session" },  # not in the document: WebSocket
  { path = "/hidden", access = "session" },  # not in the document: route
  { path = "/members/hidden", access = "session" },  # not in the document: route
  { path = "/static/*", access = "session" },  # not in the document: mounted app
  { path = "/inner/openapi.json", access = "session" },  # not in the document: route
  { path = "/inner/docs", access = "session" },  # not in the document: route
  { path = "/inner/docs/oauth2-redirect", access = "session" },  # not in the document: route
  { path = "/inner/redoc", access = "session" },  # not in the document: route
]

# What the app is told of a user besides id and address: here the name, in X-User-Name.
principal_headers = ["name"]
`

t.test('an app that is imported gets rules for all that it answers', { skip }, async (t) => {
  const env = { VIRTUAL_ENV: dirname(dirname(await testPython())), PATH: process.env['PATH'] ?? '' }
  const cwd = t.testdir({ 'main.py': app })
  const { status, stdout, stderr } = await gatehouse(['init', '--from-openapi', 'main:app'], cwd, env)
  t.equal(status, 0, stderr)
  t.match(stderr, 'what an app prints', 'what the app prints is no part of the answer')
  const policy = await readFile(join(cwd, 'gatehouse.toml'), 'utf8')
  t.equal(policy.slice(policy.indexOf('routes = [')), expected)
  const diff = stdout.slice(stdout.indexOf('--- nothing'))
  for (const line of expected.split('\n').filter((one) => one.startsWith('  '))) t.ok(diff.includes(`+${line}\n`), line)

  // The document as it is, held against what was written.
  const document = await openapiOf(await testPython(), cwd)
  await writeFile(join(cwd, 'openapi.json'), document)
  const [, also = ''] = /--strict --also (.+)$/m.exec(stdout) ?? []
  const strict = ['routes', '--openapi', 'openapi.json', '--strict', '--also', ...also.replaceAll("'", '').split(' ')]
  const undecided = await gatehouse(strict, cwd)
  t.equal(undecided.status, 1, 'as long as something is undecided')
  t.match(undecided.stdout, /^! GET \/: no rule names it/m)
  t.notMatch(undecided.stdout, /^(public|optional)/m, 'nothing is open')

  await writeFile(join(cwd, 'gatehouse.toml'), policy.replaceAll('  # {', '  {'))
  t.match(await gatehouse(strict, cwd), { status: 0, stdout: /^nothing to mend$/m })
  const again = await gatehouse(['init', '--from-openapi', 'main:make'], cwd, env)
  t.match(again.stdout, 'There is nothing to propose: the rules name every operation.')
})

t.test('against a policy that there is, the proposal is a diff', { skip }, async (t) => {
  const env = { VIRTUAL_ENV: dirname(dirname(await testPython())), PATH: process.env['PATH'] ?? '' }
  const policy =
    "export default { routes: [{ path: '/me', access: 'public', methods: ['GET'] }, { path: '/*', access: 'session', freshWithin: 60 }] }\n"
  const cwd = t.testdir({ 'main.py': app, 'gatehouse.config.ts': policy })
  const { status, stdout } = await gatehouse(['init', '--from-openapi', 'main:app'], cwd, env)
  t.equal(status, 0)
  t.equal(await readFile(join(cwd, 'gatehouse.config.ts'), 'utf8'), policy)
  t.match(
    stdout,
    `--- gatehouse.config.ts
+++ gatehouse.config.ts, as proposed
-  { path: '/me', access: 'public', methods: ['GET'] },
   { path: '/*', access: 'session', freshWithin: 60 },
+  { path: '/me', access: 'session', methods: ['GET'] },  // the document asks for credentials

gatehouse.config.ts stays as it is`
  )
})

t.test("an app that cannot be imported is the developer's to mend, and nothing is written", { skip }, async (t) => {
  const env = { VIRTUAL_ENV: dirname(dirname(await testPython())), PATH: process.env['PATH'] ?? '' }
  const cwd = t.testdir({ 'main.py': 'import nothing_of_this_name\n', 'plain.py': 'app = 1\n' })
  const broken = await gatehouse(['init', '--from-openapi', 'main:app'], cwd, env)
  t.match(broken, { status: 2, stdout: '', stderr: /No module named 'nothing_of_this_name'/ })
  t.match(broken.stderr, /^--from-openapi: main:app cannot be imported/m)
  t.match(await gatehouse(['init', '--from-openapi', 'plain:app'], cwd, env), {
    status: 2,
    stderr: /is no FastAPI app/
  })
  const nowhere = await gatehouse(['init', '--from-openapi', 'main:app'], cwd, { PATH: '/nowhere' })
  t.match(nowhere, { status: 2, stderr: /^--from-openapi: there is no Python: activate/ })
})

t.test('nothing that a document says becomes a rule of its own, or speaks to the terminal', async (t) => {
  const evil = '/x"\n{ path = "/*", access = "public" },\u2028\u001b[2J'
  const names = `{"], access = 'deny' },\n${evil.slice(1)}}`
  const item = { get: {}, post: { security: [{ key: ['a"\n{ path = "/*", access = "public" },\u001b[2J'] }] } }
  const document = { openapi: '3.1.0', paths: { [evil]: item, [`/y/${names}`]: item, '/\ud800': item, "/it's": item } }
  for (const language of [[], ['--typescript']]) {
    const cwd = t.testdir({ 'api.json': JSON.stringify(document) })
    const { status, stdout } = await gatehouse(['init', '--from-openapi', 'api.json', ...language], cwd)
    t.equal(status, 0)
    t.notMatch(stdout, /[^\P{C}\n]/u, 'no character controls the terminal')
    const { stdout: routes } = await gatehouse(['routes', '--json'], cwd)
    const rules: { path: string; access: string }[] = JSON.parse(routes)
    t.notOk(rules.some(({ path, access }) => ['public', 'optional', 'deny'].includes(access) || path === '/'))
    t.ok(rules.some(({ path }) => path === "/it's"))
  }
})

async function openapiOf(python: string, cwd: string): Promise<string> {
  const code = 'import json, sys, main; json.dump(main.app.openapi(), sys.stderr)'
  const child = spawn(python, ['-B', '-c', code], { cwd, stdio: ['ignore', 'ignore', 'pipe'] })
  return await text(child.stderr)
}
