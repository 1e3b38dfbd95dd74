import t from 'tap'
import { startPostgres } from '../support/postgres.ts'
import { gatehouse } from './gatehouse.ts'

t.test('beside an application that has a table named user', async (t) => {
  const postgres = await startPostgres(t)
  const url = await postgres.createDatabase()
  const cwd = t.testdir()
  await postgres.query('create table "user" (id uuid primary key, email text); create schema auth', url)
  const env = { DATABASE_URL: url }
  const searching = { DATABASE_URL: `${url}?options=${encodeURIComponent('-c search_path=auth')}` }
  for (const where of [env, searching]) {
    const refused = await gatehouse(['migrate'], cwd, where)
    t.match(refused, { status: 1, stderr: /^[^\n]*DATABASE_SCHEMA=auth[^\n]*\n$/ })
    t.match(await gatehouse(['check'], cwd, where), { status: 1, stdout: /DATABASE_SCHEMA=auth$/m })
  }

  const named = { ...env, DATABASE_SCHEMA: 'auth' }
  t.match(await gatehouse(['migrate'], cwd, named), { status: 0, stdout: /^applied 0000_/ })
  t.match(await gatehouse(['migrate'], cwd, { ...searching, DATABASE_SCHEMA: 'auth' }), {
    status: 0,
    stdout: /^up to date/
  })
  t.match(
    (await gatehouse(['check'], cwd, named)).stdout,
    /^ok {4}migrations: up to date\nok {4}session events: are heard$/m
  )
  t.same(await postgres.query('select count(*)::int as n from public."user"', url), [{ n: 0 }])

  // Changed, or forgotten.
  for (const schema of ['other', '']) {
    const changed = { ...env, DATABASE_SCHEMA: schema, PORT: '0', ADMIN_PORT: '0' }
    const sentence = /Gatehouse's tables are in the schema auth of this database, .*Put DATABASE_SCHEMA back/
    for (const command of ['start', 'migrate']) {
      const { status, stderr } = await gatehouse([command], cwd, changed)
      t.equal(status, 1, `${command} in "${schema}"`)
      t.match(stderr, sentence)
      t.equal(stderr.trim().split('\n').length, 1, 'a sentence, and no trace')
    }
    t.match(await gatehouse(['check'], cwd, changed), { status: 1, stdout: sentence })
  }
  t.same(await postgres.query(`select 1 from pg_namespace where nspname = 'other'`, url), [])
  t.match(await gatehouse(['migrate', '--beside'], cwd, { ...env, DATABASE_SCHEMA: 'other' }), { status: 0 })
})

t.test('the embedded database is not begun anew in another schema', async (t) => {
  const cwd = t.testdir()
  t.match(await gatehouse(['migrate'], cwd), { status: 0 })
  const { status, stderr } = await gatehouse(['start'], cwd, { DATABASE_SCHEMA: 'auth', PORT: '0', ADMIN_PORT: '0' })
  t.equal(status, 1)
  t.match(stderr, /^Gatehouse's tables are in the schema public of this database, .*\n$/)
})

t.test('ids are made in one way for good', async (t) => {
  const postgres = await startPostgres(t)
  const env = { DATABASE_URL: await postgres.createDatabase(), PORT: '0', ADMIN_PORT: '0' }
  const folder = t.testdir({
    plain: {},
    uuid: { 'gatehouse.config.ts': `export default { auth: { advanced: { database: { generateId: 'uuid' } } } }\n` }
  })
  const [plain, uuid] = [`${folder}/plain`, `${folder}/uuid`]
  t.match(await gatehouse(['migrate'], plain, env), { status: 0 })
  for (const command of ['migrate', 'start']) {
    const { status, stderr } = await gatehouse([command], uuid, env)
    t.equal(status, 2, command)
    t.match(stderr, /^auth\.advanced\.database\.generateId: the ids in the database are of the type text, .*uuid.*\n$/)
  }
  t.match(await gatehouse(['check'], uuid, env), { status: 1, stdout: /^FAIL {2}database: auth\.advanced\.database/m })
  const other = { ...env, DATABASE_SCHEMA: 'ids' }
  t.match(await gatehouse(['migrate', '--beside'], uuid, other), { status: 0 })
  t.match(await gatehouse(['migrate'], uuid, other), { status: 0, stdout: /^up to date/ })
  t.match(await gatehouse(['migrate'], plain, other), { status: 2, stderr: /of the type uuid, .* text/ })
})
