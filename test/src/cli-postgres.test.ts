import t from 'tap'
import { freePort } from '../support/ports.ts'
import { startPostgres } from '../support/postgres.ts'
import { gatehouse } from './gatehouse.ts'

t.test('migrate, migrate again, check and start on a Postgres of its own', async (t) => {
  const postgres = await startPostgres(t)
  const cwd = t.testdir()
  const env = { DATABASE_URL: await postgres.createDatabase() }
  t.match(await gatehouse(['check'], cwd, env), { status: 1, stdout: /^FAIL {2}migrations: .*run migrate$/m })
  t.match(await gatehouse(['migrate'], cwd, env), { status: 0, stdout: /0000_/ })
  t.match(await gatehouse(['migrate'], cwd, env), { status: 0 })
  t.match(await gatehouse(['check'], cwd, env), {
    stdout: /^ok {4}clock: .*\nok {4}migrations: up to date\nok {4}session events: are heard$/m
  })

  const elsewhere = { ...env, DATABASE_URL_UNPOOLED: postgres.url }
  t.match(
    (await gatehouse(['check'], cwd, elsewhere)).stdout,
    /^warn {2}session events: are not heard\. .*another database/m
  )
  const listen = { ...elsewhere, SESSION_EVENTS: 'listen' }
  t.match((await gatehouse(['check'], cwd, listen)).stdout, /^FAIL {2}session events: /m)
  t.notMatch((await gatehouse(['check'], cwd, { ...elsewhere, SESSION_EVENTS: 'off' })).stdout, /session events/)

  // A database whose clock is ten minutes ahead, as far as anybody who asks it can tell.
  await postgres.query('create schema ahead', env.DATABASE_URL)
  await postgres.query(
    `create function ahead.clock_timestamp() returns timestamptz language sql
     as $$ select pg_catalog.clock_timestamp() + interval '10 minutes' $$`,
    env.DATABASE_URL
  )
  const ahead = `${env.DATABASE_URL}?options=${encodeURIComponent('-c search_path=ahead,pg_catalog,public')}`
  const { stdout } = await gatehouse(['check'], cwd, { DATABASE_URL: ahead })
  t.match(stdout, /^warn {2}clock: .* differ by (59\d|600) s/m)
})

t.test(
  'tables that BetterAuth made: check says what is missing, migrate refuses, migrate --adopt adds it',
  async (t) => {
    const postgres = await startPostgres(t)
    const cwd = t.testdir()
    const env = { DATABASE_URL: await postgres.createDatabase() }
    await gatehouse(['migrate'], cwd, env)
    // What BetterAuth's own tool would have made, but for an index and the marks that we leave behind.
    for (const statement of [
      'drop table gatehouse_migrations',
      'drop function gatehouse_notify cascade',
      'drop index "session_userId_idx"'
    ]) {
      await postgres.query(statement, env.DATABASE_URL)
    }
    const check = await gatehouse(['check'], cwd, env)
    t.equal(check.status, 1)
    t.match(check.stdout, /^FAIL {2}migrations: .*migrate --adopt$/m)
    t.match(check.stdout, /^FAIL {2}migrations: index on session\.user_id is missing; migrate --adopt adds it$/m)
    const refused = await gatehouse(['migrate'], cwd, env)
    t.equal(refused.status, 1)
    t.match(refused.stderr, /^[^\n]*--adopt[^\n]*\n$/)
    t.equal((await gatehouse(['migrate', '--adopt'], cwd, env)).status, 0)
    t.match((await gatehouse(['check'], cwd, env)).stdout, /^ok {4}migrations: up to date$/m)
    const triggers = await postgres.query(
      `select tgname from pg_trigger where tgname like 'gatehouse_%'`,
      env.DATABASE_URL
    )
    t.equal(triggers.length, 3, 'the later migrations were applied as well')
  }
)

t.test('a plugin whose columns are not there yet is named before anything listens', async (t) => {
  const postgres = await startPostgres(t)
  const env = { DATABASE_URL: await postgres.createDatabase() }
  t.equal((await gatehouse(['migrate'], t.testdir(), env)).status, 0)
  const plugins = new URL('../../node_modules/better-auth/dist/plugins/index.mjs', import.meta.url)
  const cwd = t.testdir({
    'gatehouse.config.ts': `import { username } from '${plugins}'\nexport default { auth: { plugins: [username()] } }\n`
  })
  const { status, stderr } = await gatehouse(['start'], cwd, {
    ...env,
    PORT: String(await freePort()),
    ADMIN_PORT: '0'
  })
  t.equal(status, 1)
  t.match(stderr, /column user\.username/)
})
