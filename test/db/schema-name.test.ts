import t from 'tap'
import type { Database } from '../../db/database.ts'
import { removeAged, removeBatch } from '../../db/expired-rows.ts'
import { migrate, requireMigrated } from '../../db/migrate.ts'
import { openDatabase } from '../../db/open-database.ts'
import { tablesIn } from '../../db/schema.ts'
import { createSessionReader, createSurplusReader } from '../../db/session-queries.ts'
import { Device, startAuthApp } from '../support/auth-app.ts'
import { eachEmptyDatabase } from '../support/databases.ts'
import { until } from '../support/until.ts'

const taken = 'create table "user" (id uuid primary key, email text); create table session (id int)'
const { user, session } = tablesIn({ schemaName: 'auth', ids: 'text' })

async function rowsOf(database: Database, sql: string): Promise<unknown[]> {
  return (await database.withDirectClient(({ query }) => query(sql))).rows
}

function relationsOf(database: Database): Promise<unknown[]> {
  return rowsOf(
    database,
    `select n.nspname || '.' || c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where c.relkind = 'r' and n.nspname not in ('pg_catalog', 'information_schema') order by 1`
  )
}

await eachEmptyDatabase(t, async (t, { name, options }) => {
  const first = await openDatabase({ ...options, schemaName: 'auth' })
  await first.withDirectClient(({ query }) => query(taken))

  await t.test('everything goes into the schema, beside tables of the same names', async (t) => {
    await t.rejects(requireMigrated(first), { code: 'MIGRATIONS_PENDING' })
    t.ok((await migrate(first)).applied.length > 0)
    t.same(await migrate(first), { applied: [] })
    const names = ['account', 'gatehouse_migrations', 'session', 'user', 'verification'].map((table) => `auth.${table}`)
    t.same(
      await relationsOf(first),
      [...names, 'public.session', 'public.user'].map((relation) => ({ name: relation }))
    )
    await requireMigrated(first)
    t.same(await rowsOf(first, `select proname from pg_proc where pronamespace = 'public'::regnamespace`), [])
  })
  // Whatever a connection makes of names, none is left to it. PGlite sets its own path, on which the other tables are.
  const own = name === 'pglite' ? 'postgres' : new URL(options.url ?? '').pathname.slice(1)
  await first.withDirectClient(({ query }) => query(`alter database "${own}" set search_path = nowhere`))
  await first.close()

  await t.test('BetterAuth works in it, whatever the search path', async (t) => {
    const target = await startAuthApp(t, { database: { ...options, schemaName: 'auth' } })
    const { database } = target
    t.same(await rowsOf(database, 'show search_path'), [{ search_path: name === 'pglite' ? 'public' : 'nowhere' }])
    const ann = new Device(target)
    await ann.signUp('ann@example.com')
    t.match((await ann.client.getSession()).data, { user: { email: 'ann@example.com' } })
    const [row] = await database.db.select().from(session)
    t.match(await createSessionReader(database)(row?.token ?? ''), { email: 'ann@example.com' })
    t.same(await removeBatch(database, 'session', { limit: 10, now: Date.now() }), { mine: true, removed: 0 })

    const ages = { idleMs: 60_000, absoluteMs: 60_000 }
    const aged = await removeAged(database, { ages, block: 0, limit: 10, now: Date.now() })
    t.same(aged, { mine: true, removed: 0, next: null })
    t.same(await createSurplusReader(database, { most: 0, ages })(row?.userId ?? ''), [row?.token])

    const heard: string[] = []
    const stop = await database.listen(database.eventChannel, (payload) => heard.push(payload), t.fail)
    const stopOther = await database.listen('gatehouse', t.fail, t.fail)
    await ann.client.signOut()
    await until(() => heard.length > 0)
    t.same(await database.db.select().from(session), [])
    t.equal((await ann.client.signIn.email({ email: 'ann@example.com', password: 'correct horse' })).error, null)
    await database.db.delete(user)
    await until(() => heard.some((payload) => payload.startsWith('u')))
    await stopOther()
    await stop()
    t.same(await database.db.select().from(session), [], 'sessions go with their user')
  })
})
