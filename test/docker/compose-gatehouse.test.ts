import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import * as z from 'zod'
import { gatewayVersion } from '../../src/cli/init/gateway-version.ts'
import { blockWith } from '../docs/documents.ts'
import { newcomer, whereIs } from '../install/newcomer.ts'
import { gatehouse } from '../src/gatehouse.ts'
import { Browser } from '../support/browser.ts'
import { freePort } from '../support/ports.ts'
import { run, withoutEngine } from './stack.ts'

const Model = z.object({
  services: z.record(
    z.string(),
    z.object({
      image: z.string().optional(),
      pull_policy: z.string().optional(),
      environment: z.record(z.string(), z.string()).default({}),
      ports: z.array(z.object({ host_ip: z.string(), published: z.string(), target: z.number() })).default([]),
      networks: z.record(z.string(), z.unknown()).default({}),
      volumes: z.array(z.object({ source: z.string(), target: z.string() })).default([])
    })
  )
})
const app = `from fastapi import FastAPI, Header

app = FastAPI()


@app.get("/")
def home(x_user_name: str = Header(), x_gatehouse_token: str = Header()) -> dict[str, str | int]:
    return {"hello": x_user_name, "token": len(x_gatehouse_token)}
`
const dockerfile = `FROM python:3.13-slim
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --disable-pip-version-check fastapi uvicorn
COPY main.py ./
USER 10001:10001
CMD ["/venv/bin/uvicorn", "main:app", "--host", "0.0.0.0", "--port", "8000"]
`
const compose = `services:
  web:
    build: .
    ports: ['8000:8000']
    environment:
      SHOP: open
    depends_on: [cache]
  cache:
    image: python:3.13-slim
    command: [sleep, infinity]
`

t.setTimeout(900_000)
const skip = await withoutEngine()

t.test("the file that init writes fits a project's own compose file", { skip }, async (t) => {
  const cwd = t.testdir({ 'compose.yaml': compose, 'main.py': app })
  t.equal((await gatehouse(['init'], cwd)).status, 0)
  const config = async (files: readonly string[], env: Record<string, string> = {}) => {
    const args = [
      'compose',
      '--project-directory',
      cwd,
      '--env-file',
      '/dev/null',
      ...files.flatMap((name) => ['-f', join(cwd, name)])
    ]
    const ended = await run('docker', [...args, 'config', '--format', 'json'], env)
    if (ended.code !== 0) throw new Error(ended.stderr)
    return Model.parse(JSON.parse(ended.stdout)).services
  }
  const both = ['compose.yaml', 'compose.gatehouse.yaml']
  const services = await config(both, { GATEHOUSE_PORT: '18080' })
  const published = Object.entries(services).flatMap(([name, { ports }]) => ports.map((port) => ({ name, ...port })))
  t.match(published, [{ name: 'gatehouse', host_ip: '127.0.0.1', published: '18080', target: 8080 }])
  t.equal(published.length, 1, "the app's own port is taken back")
  t.match(services['web']?.environment, { SHOP: 'open', FORWARDED_ALLOW_IPS: '*' })
  t.ok('default' in (services['web']?.networks ?? {}), 'the app still reaches what it reached')
  t.notOk('gatehouse-data' in (services['web']?.networks ?? {}), 'and not the database of the users')
  for (const [name, { image, pull_policy }] of Object.entries(services))
    if (image?.startsWith('gatehouse') === true) t.equal(pull_policy, 'never', name)
  t.match(services['gatehouse']?.volumes, [
    {},
    { source: join(cwd, 'gatehouse.toml'), target: '/etc/gatehouse/gatehouse.toml' }
  ])

  const secrets = {
    BETTER_AUTH_SECRET: 'of my own',
    UPSTREAM_TOKEN: 'mine too',
    GATEHOUSE_DATABASE_URL: 'postgres://x@y/z'
  }
  const elsewhere = await config(both, { ...secrets, DATABASE_URL: "the app's", PORT: '1' })
  t.notOk('gatehouse-postgres' in elsewhere)
  t.match(elsewhere['gatehouse']?.environment, { DATABASE_URL: 'postgres://x@y/z', UPSTREAM_TOKEN: 'mine too' })
  for (const name of ['BETTER_AUTH_SECRET_FILE', 'UPSTREAM_TOKEN_FILE', 'DATABASE_URL_FILE'])
    t.notOk(name in (elsewhere['gatehouse']?.environment ?? {}), `${name}: naming both would be refused`)
  t.notOk('UPSTREAM_TOKEN_FILE' in (elsewhere['web']?.environment ?? {}))
})

t.test('it runs as it is written, with secrets that it makes itself', { skip }, async (t) => {
  const built = await run('docker', ['build', '--quiet', '-t', `gatehouse:${gatewayVersion()}`, '.'])
  t.equal(built.code, 0, built.stderr)
  const somebody = await newcomer(t, { docker: whereIs('docker'), id: whereIs('id') })
  const port = String(await freePort())
  const env = { GATEHOUSE_PORT: port, COMPOSE_PROJECT_NAME: `gatehouse-init-${randomBytes(4).toString('hex')}` }
  for (const [name, text] of Object.entries({ 'main.py': app, Dockerfile: dockerfile, 'compose.yaml': compose }))
    await writeFile(join(somebody.folder, name), text)
  const { stdout } = await somebody.types(blockWith('docs/install.md', 'docker run').split('\n')[0] ?? '')
  for (const name of ['gatehouse.toml', 'compose.gatehouse.yaml']) t.match(stdout, `wrote   ${name}`)
  t.notMatch(await readFile(join(somebody.folder, 'gatehouse.toml'), 'utf8'), '#:schema', 'which is in the image alone')
  const up = /^ {2}(docker compose -f .+)$/m.exec(stdout)?.[1] ?? ''
  const files = up.split(' up ')[0]
  t.teardown(() => somebody.tries(`${files} down --volumes --remove-orphans --rmi local --timeout 10`, env))
  await somebody.types(up, env)
  const ada = new Browser(`http://127.0.0.1:${port}`, `http://localhost:${port}`)
  t.equal((await ada.ask('/')).status, 401)
  t.equal((await ada.signUp('ada')).status, 200)
  t.match((await ada.ask('/')).json(), { hello: 'ada', token: 64 })
  await somebody.types(`${up} --force-recreate`, env)
  t.match((await ada.ask('/')).json(), { hello: 'ada' }, 'the secrets are the same the next time')
})
