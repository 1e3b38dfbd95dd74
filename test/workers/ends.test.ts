import { existsSync, readdirSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import t from 'tap'
import { Browser } from '../support/browser.ts'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { makeEmbedded } from '../support/embedded-database.ts'
import { spawnGateway, startGatewayProcess } from '../support/gateway-process.ts'
import { startPostgres } from '../support/postgres.ts'
import { isAlive, noDatabase } from '../support/processes.ts'
import { until } from '../support/until.ts'
import { childrenOf, startTwoWorkers } from '../support/workers.ts'

t.test('SIGTERM to the whole process group drains them as one to the primary does', async (t) => {
  let answerSlowly: (() => void) | undefined
  const upstream = await startEchoUpstream(t, (request, response) => {
    if (request.url === '/slow') answerSlowly = () => response.end('done')
    else response.end('ok')
  })
  const gateway = await startTwoWorkers(t, upstream.url, { DRAIN_DELAY: '0.2', DRAIN_TIMEOUT: '60' })
  const pids = childrenOf(gateway.child.pid)
  const ada = new Browser(gateway.publicUrl, gateway.publicUrl)
  await ada.signUp('ada')
  const slow = ada.ask('/slow')
  await until(() => answerSlowly !== undefined)
  for (const pid of pids) process.kill(pid, 'SIGTERM')
  gateway.child.kill('SIGTERM')
  await until(async () => (await fetch(`${gateway.adminUrl}/readyz`)).status === 503)
  const report = await (await fetch(`${gateway.adminUrl}/readyz`)).json()
  t.same(report, { status: 'draining', degraded: [] }, 'that they leave is what was asked for')
  // Its listener closes, and the request is still waited for.
  await until(() =>
    // Patience: what is handed to a worker as it stops listening is not answered at all (docs/upstream-notes.md).
    fetch(gateway.publicUrl, { signal: AbortSignal.timeout(2_000) }).then(
      () => false,
      () => true
    )
  )
  answerSlowly?.()
  t.equal((await slow).text, 'done')
  t.equal(await gateway.exited(), 0)
  t.equal(gateway.stderr(), '')
  t.notOk(pids.some(isAlive))
  for (const line of gateway.stdout().trim().split('\n')) t.doesNotThrow(() => JSON.parse(line), line)
})

t.test('a worker that is just starting in place of another holds up no shutdown', async (t) => {
  const folder = t.testdir({
    'policy.ts': `import { existsSync, writeFileSync } from 'node:fs'
      import { setTimeout as wait } from 'node:timers/promises'
      const here = import.meta.dirname
      if (existsSync(here + '/hold')) writeFileSync(here + '/held', '')
      while (existsSync(here + '/hold')) await wait(10)
      export default { routes: [] }\n`
  })
  const gateway = await startGatewayProcess(t, {
    WORKERS: '2',
    ...noDatabase,
    DATA_DIR: `${folder}/data`,
    GATEHOUSE_CONFIG: `${folder}/policy.ts`,
    DRAIN_DELAY: '0',
    DRAIN_TIMEOUT: '600'
  })
  const [victim = 0, survivor = 0] = childrenOf(gateway.child.pid)
  await writeFile(`${folder}/hold`, '')
  process.kill(victim, 'SIGKILL')
  await until(() => existsSync(`${folder}/held`), 90_000)
  gateway.child.kill('SIGTERM')
  await until(() => !isAlive(survivor))
  await rm(`${folder}/hold`)
  await until(() => gateway.child.exitCode !== null, 90_000)
  t.equal(gateway.child.exitCode, 0)
})

t.test('the secret is made once, for all of them', async (t) => {
  const dataDir = t.testdir()
  const gateway = await startGatewayProcess(t, { WORKERS: '2', ...noDatabase, DATA_DIR: dataDir })
  t.same(readdirSync(dataDir), ['secret'])
  t.equal(
    (await fetch(`${gateway.adminUrl}/readyz`)).status,
    503,
    'nor is a database that is away a reason not to start'
  )
  gateway.child.kill('SIGINT')
  t.equal(await gateway.exited(), 0)
})

t.test('what keeps each of them from starting is said once, and is the exit status', async (t) => {
  const postgres = await startPostgres(t)
  const empty = { WORKERS: '2', DATABASE_URL: await postgres.createDatabase(), DATA_DIR: t.testdirName }
  const gateway = spawnGateway(t, empty)
  t.equal(await gateway.exited(), 1)
  t.match(gateway.stderr(), /^[^\n]*migrate[^\n]*\n$/)
  t.notMatch(gateway.stdout(), /gatehouse ready/)

  await t.test('later too', async (t) => {
    await postgres.stop()
    const gateway = await startGatewayProcess(t, empty)
    const pids = childrenOf(gateway.child.pid)
    await postgres.start()
    t.equal(await gateway.exited(), 1)
    t.match(gateway.stderr(), /^[^\n]*migrate[^\n]*\n$/)
    t.notOk(pids.some(isAlive))
  })
})

t.test('a port that is taken is one sentence', async (t) => {
  const first = await startGatewayProcess(t, { ...noDatabase, DATA_DIR: t.testdir() })
  for (const name of ['PORT', 'ADMIN_PORT']) {
    const taken = new URL(name === 'PORT' ? first.publicUrl : first.adminUrl).port
    const env = { WORKERS: '2', ...noDatabase, DATA_DIR: `${t.testdirName}-2`, [name]: taken }
    const second = spawnGateway(t, env)
    t.equal(await second.exited(), 1)
    t.match(second.stderr(), /^127\.0\.0\.1, port \d+, is already in use[^\n]*\n$/)
  }
})

t.test('the embedded database is refused, with a sentence', async (t) => {
  for (const workers of ['2', 'auto']) {
    const gateway = spawnGateway(t, { WORKERS: workers, DATA_DIR: await makeEmbedded(t) })
    t.equal(await gateway.exited(), 2)
    t.match(gateway.stderr(), /^WORKERS: [^\n]*embedded database[^\n]*\n$/)
  }
})
