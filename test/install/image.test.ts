import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { cp, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { docker, run, withoutEngine } from '../docker/stack.ts'
import { blockWith, root } from '../docs/documents.ts'
import { builtWheels, withoutWheels } from '../support/built-wheels.ts'
import { startChromium, withoutChromium } from '../support/chromium.ts'
import { freePort } from '../support/ports.ts'
import { until } from '../support/until.ts'
import { newcomer, seconds, signUpFor, whereIs } from './newcomer.ts'

const page = 'docs/install.md'
const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
const image = `gatehouse:${version}`

// Of the app, as its own project has it.
const dockerfile = `FROM python:3.13-slim
RUN python -m venv /venv
COPY fastapi_gatehouse-*.whl ./
RUN /venv/bin/pip install --no-cache-dir --disable-pip-version-check uvicorn ./fastapi_gatehouse-*.whl
COPY main.py ./
USER 10001:10001
CMD ["/venv/bin/uvicorn", "main:app", "--host", "0.0.0.0", "--port", "8000"]
`

const withMailer = `import { defineConfig } from '@gatehouse/gateway'
import { admin } from 'better-auth/plugins'
import { createTransport } from 'nodemailer'

const { name } = createTransport({ jsonTransport: true }).transporter

export default defineConfig({
  routes: [{ path: '/sent-by/' + name, access: 'public' }],
  auth: { plugins: [admin()] }
})
`

t.setTimeout(900_000)
const skip = withoutChromium() || (await withoutEngine()) || (await withoutWheels())

t.test('a team adds the image to the app that it has', { skip }, async (t) => {
  let since = performance.now()
  const [, ...build] = blockWith(page, 'docker build -t').trim().split(' ')
  t.same(build, ['build', '-t', image, '.'])
  t.ok(blockWith('README.md', 'docker build -t').startsWith(`docker ${build.join(' ')}\n`))
  const { code, stderr } = await run('docker', build)
  t.equal(code, 0, code === 0 ? 'it is built' : stderr)
  t.comment(`docker build: ${seconds(since)}`)

  await t.test('with init and Compose, who signs up in a browser is greeted by name', async (t) => {
    const somebody = await newcomer(t, { docker: whereIs('docker'), id: whereIs('id') })
    const { folder } = somebody
    const { fastapiGatehouse } = await builtWheels()
    await somebody.writes('main.py', blockWith('README.md', '# main.py'))
    await somebody.writes('Dockerfile', dockerfile)
    await cp(fastapiGatehouse, join(folder, fastapiGatehouse.split('/').at(-1) ?? ''))

    const port = String(await freePort())
    const env = {
      PWD: folder,
      GATEHOUSE_PORT: port,
      COMPOSE_PROJECT_NAME: `gatehouse-install-${randomBytes(4).toString('hex')}`
    }
    t.teardown(() =>
      somebody.tries('docker compose -f compose.gatehouse.yaml down --volumes --rmi local --timeout 10', env)
    )
    since = performance.now()
    const [init = '', up = '', ...more] = blockWith(page, 'docker run --rm --pull never').trim().split('\n')
    t.same(more, [])
    await somebody.types(init, env)
    t.comment(`docker run … gatehouse init: ${seconds(since)}`)
    await somebody.types(up, env)

    const tab = await (await startChromium(t)).newPage()
    await signUpFor(tab, `http://localhost:${port}/me`, 'ada')
    t.match(await tab.textContent('body'), '{"hello":"ada"}')
    t.comment(`from init to a name in the browser, the app's own image included: ${seconds(since)}`)

    await somebody.types(`${up} --no-deps --force-recreate gatehouse`, env)
    await tab.reload()
    t.match(await tab.textContent('body'), '{"hello":"ada"}', 'still, when the container is another one')
  })

  await t.test('no policy is inside, and a forgotten mount opens nothing', async (t) => {
    const look = 'find / -xdev "(" -name "gatehouse.config.*" -o -name gatehouse.toml ")"; ls -A /etc/gatehouse'
    t.equal(await docker('run', '--rm', image, 'sh', '-c', look), '')

    const port = String(await freePort())
    // A policy somewhere else in the container is nobody's.
    const elsewhere = t.testdir({
      'gatehouse.config.ts': "export default { routes: [{ path: '/*', access: 'public' }] }"
    })
    const id = await start(t, [
      ...embedded,
      ...production(`http://localhost:${port}`),
      '--publish',
      `127.0.0.1:${port}:8080`,
      '--volume',
      `${elsewhere}:/srv:ro`,
      '--workdir',
      '/srv'
    ])
    for (const path of ['/', '/public/x', '/docs', '/openapi.json', '/health'])
      t.equal((await fetch(`http://localhost:${port}${path}`)).status, 401, path)
    t.match(await docker('logs', id), /"level":40.*no policy/)
  })

  await t.test('what a start loads was compiled before, and for the user that runs', async (t) => {
    const id = await start(t, [
      ...embedded,
      ...production('http://localhost:8080'),
      '--env',
      'NODE_DEBUG_NATIVE=COMPILE_CACHE'
    ])
    const { stdout, stderr } = await run('docker', ['logs', id])
    const said = (what: string) => (stdout + stderr).split(what).length - 1
    const [warm, cold] = [said('was accepted'), said('was not initialized')]
    t.ok(warm > 500 && cold < 25, `${warm} modules from the cache, ${cold} not`)
  })

  await t.test('a policy in TypeScript has packages of its own beside it', async (t) => {
    const policy = t.testdir({ 'gatehouse.config.ts': withMailer })
    await cp(join(root, 'node_modules/nodemailer'), join(policy, 'node_modules/nodemailer'), { recursive: true })
    await promisify(execFile)('chmod', ['-R', 'a+rX', policy])
    const [, mount = ''] = /volumes: \['\.([^']+)'\]/.exec(blockWith('docs/deploying.md', '&packages')) ?? []
    const file = `${policy}/gatehouse.config.ts:/etc/gatehouse/gatehouse.config.ts:ro`
    const mounted = ['--volume', file, '--volume', policy + mount, ...production('http://localhost:8080')]
    t.match(
      await docker('run', '--rm', '--read-only', ...mounted, image, 'gatehouse', 'routes'),
      /public .*\/sent-by\/JSONTransport/
    )
  })
})

const embedded = ['--read-only', '--tmpfs', '/tmp', '--tmpfs', '/data:uid=1000,gid=1000,mode=0700']

/** What the image wants before it runs: it holds itself to the rules of production. */
function production(origin: string): string[] {
  const secret = randomBytes(32).toString('hex')
  const variables = { BETTER_AUTH_URL: origin, BETTER_AUTH_SECRET: secret, DATABASE_DRIVER: 'pglite' }
  return Object.entries(variables).flatMap(([name, value]) => ['--env', `${name}=${value}`])
}

/** Starts a container of the image, waits until it is ready, and resolves to its id. */
async function start(t: { teardown(work: () => unknown): unknown }, options: readonly string[]): Promise<string> {
  const id = (await docker('run', '--detach', ...options, image)).trim()
  t.teardown(() => docker('rm', '--force', '--volumes', id))
  await until(async () => (await docker('logs', id)).includes('gatehouse ready'), 120_000)
  return id
}
