import t from 'tap'
import type { Database, DatabaseOptions } from '../../db/database.ts'
import { inspectMigrations, migrate, requireMigrated } from '../../db/migrate.ts'
import { openDatabase } from '../../db/open-database.ts'
import { createSessionReader } from '../../db/session-queries.ts'
import { eachEmptyDatabase } from '../support/databases.ts'
import { makeFormerDatabase } from '../support/former-database.ts'
import { startPostgres } from '../support/postgres.ts'
import { until } from '../support/until.ts'

const tags = ['0000_betterauth_tables', '0001_session_events', '0002_expiry_indexes', '0003_queue_nearly_full']

async function recordedIn(database: Database, table = 'public.gatehouse_migrations'): Promise<unknown[]> {
  const column = table.startsWith('drizzle') ? 'hash' : 'name'
  const { rows } = await database.withDirectClient(({ query }) =>
    query(`select ${column} as x from ${table} order by 1`)
  )
  return rows.map(({ x }) => x)
}

await eachEmptyDatabase(t, async (t, { options }) => {
  const database = await openDatabase(options)
  t.teardown(() => database.close())
  await database.withDirectClient((client) => makeFormerDatabase(client))
  const former = await recordedIn(database, 'drizzle.__drizzle_migrations')

  await t.test('a database that was migrated before goes on working without anybody doing anything', async (t) => {
    await requireMigrated(database)
    t.match(await inspectMigrations(database), { pending: [], differences: [], obstacles: [], elsewhere: [] })
    t.match(await createSessionReader(database)('token-1'), { userId: 'ann' })
    const heard: string[] = []
    const stop = await database.listen(database.eventChannel, (payload) => heard.push(payload), t.fail)
    await database.withDirectClient(({ query }) => query('update session set updated_at = now()'))
    await until(() => heard.length > 0)
    await stop()
  })

  await t.test('what was applied is carried over once, and nothing is applied again', async (t) => {
    t.same(await migrate(database), { applied: [] })
    t.same(await recordedIn(database), tags)
    t.same(await migrate(database), { applied: [] })
    t.same(await recordedIn(database), tags)
    t.same(await recordedIn(database, 'drizzle.__drizzle_migrations'), former, "Drizzle's own table stays as it is")
    await requireMigrated(database)
    t.match(await createSessionReader(database)('token-1'), { userId: 'ann' })
  })
})

t.test('on a server of its own', async (t) => {
  const postgres = await startPostgres(t)
  const open = async (options: Partial<DatabaseOptions> = {}) => {
    const url = options.url ?? (await postgres.createDatabase())
    const database = await openDatabase({ driver: 'pg', ...options, url })
    t.teardown(() => database.close())
    return { database, url }
  }

  await t.test("another application's later migrations in Drizzle's table hide none of the gateway's", async (t) => {
    const { database, url } = await open()
    await database.withDirectClient((client) => makeFormerDatabase(client, 2))
    await postgres.query(
      `insert into drizzle.__drizzle_migrations (hash, created_at) values ('somebody else''s', 4102444800000)`,
      url
    )
    t.same((await inspectMigrations(database)).pending, tags.slice(2))
    t.same(await migrate(database), { applied: tags.slice(2) })
    t.same(await recordedIn(database), tags)
    await requireMigrated(database)
  })

  await t.test("another application's table of Drizzle's may be closed to the gateway's user", async (t) => {
    const { url } = await open()
    await postgres.query(
      `create role gate login password 'gate'; create schema drizzle;
       create table drizzle.__drizzle_migrations (id serial, hash text, created_at bigint);
       create schema gates authorization gate`,
      url
    )
    const theirs = url.replace('postgres:not-a-secret@', 'gate:gate@')
    const { database } = await open({ url: theirs, schemaName: 'gates' })
    t.same((await migrate(database)).applied, tags)
    const again = (await open({ url: theirs })).database
    await t.rejects(requireMigrated(again), { code: 'SCHEMA_CHANGED' })
  })

  await t.test('a user who may not make tables needs to make none, and may read what another applied', async (t) => {
    const { database, url } = await open()
    await database.withDirectClient((client) => makeFormerDatabase(client))
    await postgres.query(
      `create role reader login password 'gate'; revoke create on schema public from public;
       grant usage on schema drizzle to reader; grant select on all tables in schema drizzle to reader;
       grant select, insert, update, delete on all tables in schema public to reader`,
      url
    )
    const reader = (await open({ url: url.replace('postgres:not-a-secret@', 'reader:gate@') })).database
    t.same(await migrate(reader), { applied: [] })
    await requireMigrated(reader)
    t.same(await migrate(database), { applied: [] })
    t.same(await recordedIn(database), tags)
    await requireMigrated(reader)
  })
})
