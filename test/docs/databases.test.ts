import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { getMigrations } from 'better-auth/db/migration'
import pg from 'pg'
import t from 'tap'
import { pluginTables } from '../../auth/plugin-tables.ts'
import { defineConfig } from '../../src/policy-file.ts'
import { withAdmin } from '../support/admin-plugin.ts'
import { Browser } from '../support/browser.ts'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { migrateOnce } from '../support/embedded-database.ts'
import { startTestGateway } from '../support/gateway.ts'
import { startPostgres } from '../support/postgres.ts'
import { blockWith, root } from './documents.ts'

const postgres = await startPostgres(t)
const secret = 'the secret of these tests, which is long enough'
const node = `'${process.execPath}'`
const dataDir = t.testdir()

/** Runs a shell command of a page to its end, with its database replaced by one of this test. */
async function shell(command: string, url: string): Promise<string> {
  const own = command
    .replace(/postgres:\/\/[^\s']+/g, url)
    .replaceAll('npm run gatehouse --', `${node} src/gatehouse.js`)
    .replaceAll('npm start', `exec ${node} src/gatehouse.js start`)
  const env = { PATH: process.env['PATH'], PORT: '0', ADMIN_PORT: '0', DATA_DIR: dataDir }
  const child = spawn('/bin/sh', ['-ec', `exec 2>&1; ${own}`], { cwd: root, env, detached: true })
  let output = ''
  const stopOnceReady = (chunk: string) => {
    output += chunk
    if (output.includes('"msg":"gatehouse ready"')) child.kill('SIGINT')
  }
  child.stdout.setEncoding('utf8').on('data', stopOnceReady)
  await Promise.all([once(child, 'close'), text(child.stderr)])
  return output
}

t.test('a database that BetterAuth made is adopted as the page says', async (t) => {
  const url = await postgres.createDatabase()
  const pool = new pg.Pool({ connectionString: url })
  t.teardown(() => pool.end())
  await (await getMigrations({ database: pool, emailAndPassword: { enabled: true }, secret })).runMigrations()
  await postgres.query(
    `insert into "user" (id, name, email, "emailVerified", "createdAt", "updatedAt")
    values ('ada', 'Ada', 'ada@example.com', true, now(), now())`,
    url
  )

  const check = blockWith('docs/adopting.md', 'gatehouse -- check')
  const adopt = blockWith('docs/adopting.md', 'migrate --adopt')
  t.match(await shell(check, url), /cannot adopt the tables: column user\.email_verified is missing/)

  await postgres.query(blockWith('docs/adopting.md', 'rename column'), url)
  t.match(await shell(check, url), /FAIL {2}migrations: the tables are there, but Gatehouse did not make them/)
  t.match(await shell(adopt, url), /^applied /m)
  t.match(await shell(check, url), /ok {4}migrations: up to date/)
  t.match(await postgres.query('select email, email_verified from "user"', url), [
    { email: 'ada@example.com', email_verified: true }
  ])
})

t.test('the commands for Neon migrate and start, whatever the address', async (t) => {
  const output = await shell(blockWith('README.md', 'DATABASE_URL_UNPOOLED='), await postgres.createDatabase())
  t.match(output, /^applied 0000_betterauth_tables$/m)
  t.match(output, /"msg":"gatehouse ready"/)
})

t.test('the first administrator is made in SQL', async (t) => {
  const url = await postgres.createDatabase()
  await migrateOnce({ driver: 'pg', url, pluginTables: pluginTables(withAdmin) })
  const gateway = await startTestGateway(t, {
    upstreamUrl: (await startEchoUpstream(t)).url,
    env: { DATABASE_URL: url, SESSION_CACHE_TTL: '0' },
    policy: defineConfig({ auth: withAdmin, routes: [{ path: '/admin/*', access: 'session', roles: ['admin'] }] })
  })
  const ada = new Browser(gateway.url, gateway.publicUrl)
  await ada.signUp('ada')
  t.match((await ada.ask('/admin/stats')).json(), { code: 'ROLE_REQUIRED' })
  await postgres.query(blockWith('docs/policy.md', 'update "user" set role'), url)
  t.match(await ada.ask('/admin/stats'), { status: 200 })
})
