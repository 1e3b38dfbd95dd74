import t from 'tap'
import { inspectMigrations, migrate, requireMigrated } from '../../db/migrate.ts'
import { openDatabase } from '../../db/open-database.ts'
import { user } from '../../db/schema.ts'
import { runScript } from '../support/child.ts'
import { startPostgres } from '../support/postgres.ts'

const postgres = await startPostgres(t)

t.test('it makes the tables, and is safe to run again', async (t) => {
  const url = await postgres.createDatabase()
  const database = await openDatabase({ driver: 'pg', url })
  t.teardown(() => database.close())
  const { pending } = await inspectMigrations(database)
  t.ok(pending.length > 0)
  await t.rejects(requireMigrated(database), { code: 'MIGRATIONS_PENDING', message: new RegExp(pending[0] ?? 'none') })

  t.same(await migrate(database), { applied: pending })
  await database.db.insert(user).values({ id: 'ann', name: 'Ann', email: 'ann@example.com' })
  t.same(await migrate(database), { applied: [] })
  t.same(await migrate(database, { adopt: true }), { applied: [] })
  t.same(await inspectMigrations(database), {
    pending: [],
    adoptable: false,
    differences: [],
    obstacles: [],
    elsewhere: []
  })
  await requireMigrated(database)
  t.equal((await database.db.select().from(user)).length, 1)

  const tables = await postgres.query(
    `select table_schema || '.' || table_name as name from information_schema.tables
     where table_schema not in ('pg_catalog', 'information_schema') order by name`,
    url
  )
  t.same(
    tables.map(({ name }) => name),
    ['account', 'gatehouse_migrations', 'session', 'user', 'verification'].map((name) => `public.${name}`)
  )
})

t.test('four processes may migrate at once: one does it, the others find it done', async (t) => {
  const url = await postgres.createDatabase()
  const runs = await Promise.all(Array.from({ length: 4 }, () => runScript(t, './migrate-once.ts', url)))
  const applied = runs.map(({ said }) => Number(said)).sort()
  t.same(applied.slice(0, 3), [0, 0, 0])
  t.ok((applied[3] ?? 0) > 0)
})

t.test('a migration that fails changes nothing', async (t) => {
  const url = await postgres.createDatabase()
  // Stands where the migration wants to put an index, and is none of the tables.
  await postgres.query(`create table "session_userId_idx" (id int)`, url)
  const database = await openDatabase({ driver: 'pg', url })
  t.teardown(() => database.close())
  await t.rejects(migrate(database))
  await postgres.query(`drop table "session_userId_idx"`, url)
  t.ok((await migrate(database)).applied.length > 0)
})

t.test("Neon's pooled address is refused with the name of the variable that helps", async (t) => {
  const pooled = 'postgres://u:not-a-secret@ep-cool-1-pooler.eu-central-1.aws.neon.tech/db'
  const refusal = { code: 'POOLED_CONNECTION', message: /DATABASE_URL_UNPOOLED/ }
  for (const driver of ['neon', 'pg'] as const) {
    const database = await openDatabase({ driver, url: pooled })
    await t.rejects(migrate(database), refusal)
    await t.rejects(database.listen('channel', t.fail, t.fail), refusal)
    await database.close()
  }
  const unpooledUrl = await postgres.createDatabase()
  const database = await openDatabase({ driver: 'pg', url: pooled, unpooledUrl })
  t.ok((await migrate(database)).applied.length > 0)
  await database.close()
})

t.test('an address is needed where one is', async (t) => {
  await t.rejects(openDatabase({ driver: 'pg' }), { code: 'DATABASE_URL_MISSING' })
  await t.rejects(openDatabase({ driver: 'neon' }), { code: 'DATABASE_URL_MISSING' })
})
