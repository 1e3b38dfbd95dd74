import { setTimeout as pause } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { Browser } from './browser.ts'
import { addressOf, inspect } from './inspect.ts'
import { docker, prepareStack, run, withoutEngine } from './stack.ts'

const cacheTtlSeconds = 3 // compose.override.yml
const user = { name: 'Ada', email: 'ada@example.com', password: 'a password of the test' }

/** Calls the route until it is answered with that status, for so many seconds at most; resolves to the last status. */
async function answered(browser: Browser, path: string, status: number, seconds: number): Promise<number | string> {
  const deadline = performance.now() + seconds * 1000
  for (;;) {
    const seen = await browser.get(path).then((answer) => answer.status, String)
    if (seen === status || performance.now() > deadline) return seen
    await pause(100)
  }
}

// Prints what answers at an address to a first message; nothing if nobody is there.
const ask = `const [host, port, message] = process.argv.slice(1)
const socket = require('net').connect({ host, port, timeout: 2000 })
socket.on('connect', () => socket.write(Buffer.from(message, 'base64')))
socket.on('data', (data) => { process.stdout.write(data.toString('latin1')); socket.destroy() })
socket.on('timeout', () => socket.destroy()).on('error', () => {})`
const base64 = (message: string | number[]) => Buffer.from(message).toString('base64')
const fastapiQuestion = ['8000', base64('GET /health HTTP/1.0\r\n\r\n')]
const fastapiAnswer = /uvicorn/
const postgresQuestion = ['5432', base64([0, 0, 0, 8, 4, 210, 22, 47])] // may we speak TLS?
const postgresAnswer = /^[SN]$/ // yes, no
const adminQuestion = ['9090', base64('GET /healthz HTTP/1.0\r\n\r\n')]
const adminAnswer = /^HTTP.* 200 OK/

async function stackOnARealEngine(t: Test) {
  const stack = await prepareStack(t)
  await stack.compose('build', '--quiet')
  await stack.compose('up', '--detach', '--wait', '--wait-timeout', '180')
  const browser = new Browser(stack)

  await t.test('a user signs up at the published port, and FastAPI knows who they are', async (t) => {
    t.equal((await browser.get('/me')).status, 401)
    t.equal((await browser.post('/api/auth/sign-up/email', user)).status, 200)
    const me = await browser.get('/me')
    t.equal(me.status, 200)
    t.match(JSON.parse(me.body), { email: user.email })
  })

  await t.test('the user is still signed in after the gateway was restarted', async (t) => {
    await stack.compose('restart', 'gateway')
    t.equal(await answered(browser, '/me', 200, 60), 200)
  })

  await t.test('a second `docker compose up` changes nothing for the user', async (t) => {
    await stack.compose('up', '--detach', '--wait', '--wait-timeout', '180')
    t.equal(await answered(browser, '/me', 200, 60), 200)
  })

  await t.test("FastAPI's own redirects stay on the public origin", async (t) => {
    const { status, location } = await browser.get('/items')
    t.equal(status, 307)
    t.equal(location, `${stack.origin}/items/`)
  })

  await t.test("the gateway's public port is all that is published, on loopback", async (t) => {
    const published = (await inspect(stack)).flatMap((container) => container.published)
    t.same(published, [`127.0.0.1:${stack.port}->8080/tcp`])
  })

  await t.test('neither FastAPI nor the database nor the private listener answers this machine', async (t) => {
    const fastapi = await addressOf(stack, 'fastapi')
    const postgres = await addressOf(stack, 'postgres')
    // First from where they are meant to be answered: a question can also be wrong.
    const inside = (...args: string[]) => stack.inside('gateway', 'node', '-e', ask, ...args)
    t.match((await inside(fastapi, ...fastapiQuestion)).stdout, fastapiAnswer)
    t.match((await inside(postgres, ...postgresQuestion)).stdout, postgresAnswer)
    t.match((await inside('127.0.0.1', ...adminQuestion)).stdout, adminAnswer)

    const outside = (...args: string[]) => run(process.execPath, ['-e', ask, ...args])
    t.notMatch((await outside(fastapi, ...fastapiQuestion)).stdout, fastapiAnswer)
    t.notMatch((await outside(postgres, ...postgresQuestion)).stdout, postgresAnswer)
    for (const { service, addresses } of await inspect(stack)) {
      if (service !== 'gateway') continue
      for (const address of addresses) t.notMatch((await outside(address, ...adminQuestion)).stdout, adminAnswer)
    }
  })

  await t.test('FastAPI can open a connection to neither the database nor the private listener', async (t) => {
    const attempt = 'import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 2)'
    const open = (host: string, port: string) => stack.inside('fastapi', 'python', '-c', attempt, host, port)
    t.equal((await open('gateway', '8080')).code, 0, 'it can reach the gateway, which it shares a network with')
    for (const host of [await addressOf(stack, 'postgres'), 'postgres']) {
      t.match(await open(host, '5432'), { code: 1, stderr: /OSError|gaierror/ }, host)
    }
    t.match(await open('gateway', '9090'), { code: 1, stderr: /ConnectionRefusedError/ })
  })

  await t.test('FastAPI refuses whoever did not come through the gateway', async (t) => {
    const forged = `import urllib.request as r, urllib.error
try: print(r.urlopen(r.Request('http://127.0.0.1:8000/me', headers={'X-User-Id': 'u', 'X-User-Email': 'a@b.c', 'X-User-Email-Verified': 'true'})).status)
except urllib.error.HTTPError as error: print(error.code)`
    t.equal((await stack.inside('fastapi', 'python', '-c', forged)).stdout.trim(), '401')
  })

  await t.test(
    'every service runs as an unprivileged user on a read-only filesystem, without capabilities',
    async (t) => {
      for (const service of ['gateway', 'fastapi', 'postgres']) {
        const seen = await stack.inside(service, 'sh', '-c', 'id -u; touch x /x 2>&1; grep CapEff /proc/self/status')
        t.notMatch(seen.stdout, /^0$/m, `${service}: not root`)
        t.match(seen.stdout, /Read-only file system/, service)
        t.match(seen.stdout, /CapEff:\s+0+$/m, service)
      }
      for (const { service, ReadonlyRootfs, CapDrop, SecurityOpt } of await inspect(stack)) {
        t.match({ ReadonlyRootfs, CapDrop, SecurityOpt }, { ReadonlyRootfs: true, CapDrop: ['ALL'] }, service)
        t.ok(
          SecurityOpt.some((option) => option.startsWith('no-new-privileges')),
          service
        )
      }
    }
  )

  await t.test('the secrets are in their files alone: in no environment, image or log', async (t) => {
    const { stdout: files } = await stack.inside('gateway', 'sh', '-c', 'ls -ln /run/gatehouse; cat /run/gatehouse/*')
    t.equal(files.match(/^-r-------- 1 1000 1000 /gm)?.length, 3)
    const secrets = files.match(/[0-9a-f]{64}/g) ?? []
    t.equal(new Set(secrets).size, 3)
    const images = ['gateway', 'migrate', 'fastapi', 'secrets'].map(stack.image)
    const histories = await Promise.all(images.map((image) => docker('image', 'history', '--no-trunc', image)))
    const seen = [
      await docker('inspect', ...(await stack.containers())),
      await docker('image', 'inspect', ...images),
      ...histories,
      await stack.compose('logs')
    ].join('\n')
    for (const secret of secrets) t.notOk(seen.includes(secret))
    t.match(seen, 'gatehouse ready', 'the logs were among what was searched')
  })

  await t.test('the image holds what production needs and no more', async (t) => {
    const look =
      'node --version; cd /opt/gatehouse/node_modules; ls -A . @gatehouse/gateway; find . -name "*.ts" -o -name "*.map"'
    const { stdout } = await stack.inside('gateway', 'sh', '-c', look)
    t.match(stdout, /^v24\./)
    const names = stdout.split('\n')
    for (const name of ['tap', 'typescript', 'node', 'esbuild', 'drizzle-kit', 'test', 'examples', 'docker', '.env']) {
      t.notOk(names.includes(name), name)
    }
    for (const name of ['fastify', 'src', 'LICENSE']) t.ok(names.includes(name), name)
    t.same(
      names.filter((name) => /\.(?:ts|map)$/.test(name)),
      [],
      'types, sources and maps are for those who write code'
    )
  })

  await t.test('the image starts nothing in production without what production requires', async (t) => {
    const image = stack.image('gateway')
    const { code, stderr } = await run('docker', ['run', '--rm', '--read-only', '--network', 'none', image])
    t.equal(code, 2)
    for (const name of ['BETTER_AUTH_URL', 'BETTER_AUTH_SECRET', 'DATABASE_URL']) t.match(stderr, name)
  })

  await t.test(
    'with two gateways, who signs out at one is refused by the other within SESSION_CACHE_TTL',
    async (t) => {
      const two = (...args: string[]) => stack.composeWith('two-gateways.override.yml', ...args)
      await two('up', '--detach', '--wait', '--wait-timeout', '180', '--scale', 'gateway=2')
      const [first, second] = await Promise.all(
        ['1', '2'].map(async (index) =>
          Number((await two('port', '--index', index, 'gateway', '8080')).split(':').pop())
        )
      )
      if (first === undefined || second === undefined || first === second) throw new Error('there are not two gateways')

      browser.port = second
      t.equal((await browser.get('/me')).status, 200, 'the second gateway has its decision')
      browser.port = first
      t.equal((await browser.get('/me')).status, 200)
      const signedIn = browser.copy()
      t.equal((await browser.post('/api/auth/sign-out')).status, 200)
      t.equal((await signedIn.get('/me')).status, 401, 'the one that did it refuses at once')
      const endedAt = performance.now()
      signedIn.port = second
      for (let seen = 200; seen !== 401; await pause(100)) {
        const sentAt = performance.now()
        seen = (await signedIn.get('/me')).status
        if (seen !== 401) t.ok(sentAt - endedAt < cacheTtlSeconds * 1_000, `${seen} after ${sentAt - endedAt} ms`)
        if (sentAt - endedAt > 60_000) return
      }
      t.pass('the other one, too')
    }
  )

  await t.test('stopping the gateways is a clean end', async (t) => {
    await stack.composeWith('two-gateways.override.yml', 'stop', 'gateway')
    const gateways = (await inspect(stack)).filter(({ service }) => service === 'gateway')
    t.match(gateways, [
      { state: 'exited', exitCode: 0 },
      { state: 'exited', exitCode: 0 }
    ])
  })
}

t.setTimeout(900_000)
t.test('docker compose up', { skip: await withoutEngine() }, stackOnARealEngine)
