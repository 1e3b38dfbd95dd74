import { admin, twoFactor, username } from 'better-auth/plugins'
import t, { type Test } from 'tap'
import { pluginTables } from '../../auth/plugin-tables.ts'
import { inspectMigrations, migrate, requireMigrated } from '../../db/migrate.ts'
import { openDatabase } from '../../db/open-database.ts'
import { session, user } from '../../db/schema.ts'
import { createSessionReader } from '../../db/session-queries.ts'
import { runScript } from '../support/child.ts'
import { startPostgres } from '../support/postgres.ts'

const postgres = await startPostgres(t)
const wanted = pluginTables({ plugins: [admin(), username(), twoFactor()] })

async function open(t: Test, url: string, tables = wanted) {
  const database = await openDatabase({ driver: 'pg', url, pluginTables: tables })
  t.teardown(() => database.close())
  return database
}

t.test('switched off again, plugins leave their columns behind, and the gateway works', async (t) => {
  const url = await postgres.createDatabase()
  await migrate(await open(t, url))
  const without = await open(t, url, [])
  await requireMigrated(without)
  t.same(await migrate(without), { applied: [] })
  await without.db.insert(user).values({ id: 'ann', name: 'Ann', email: 'ann@example.com' })
  const now = new Date()
  await without.db.insert(session).values({ id: 's', token: 't', userId: 'ann', expiresAt: now, updatedAt: now })
  t.match(await createSessionReader(without)('t'), { userId: 'ann' })
  t.same(await postgres.query('select banned, role from "user"', url), [{ banned: false, role: null }])
})

t.test('four processes may migrate at once: one adds what plugins need, the others find it there', async (t) => {
  const url = await postgres.createDatabase()
  const runs = await Promise.all(Array.from({ length: 4 }, () => runScript(t, './migrate-once.ts', [url, 'plugins'])))
  const applied = runs.map(({ said }) => Number(said)).sort((a, b) => a - b)
  t.same(applied.slice(0, 3), [0, 0, 0])
  t.ok((applied[3] ?? 0) > 5)
  await requireMigrated(await open(t, url, pluginTables({ plugins: [admin(), twoFactor()] })))
})

t.test('columns that are there already are taken as they are, adopted tables included', async (t) => {
  const url = await postgres.createDatabase()
  await migrate(await open(t, url, []))
  await postgres.query(
    `drop table gatehouse_migrations;
     drop trigger gatehouse_session_changed on session; drop trigger gatehouse_sessions_truncated on session;
     drop trigger gatehouse_user_changed on "user"; drop function gatehouse_notify;
     alter table "user" add role varchar, add banned boolean, add ban_reason text, add ban_expires timestamp;
     insert into "user" (id, name, email, role) values ('ann', 'Ann', 'ann@example.com', 'admin,editor')`,
    url
  )
  const database = await open(t, url)
  t.match(await inspectMigrations(database), { adoptable: true, differences: [], obstacles: [] })
  await t.rejects(migrate(database), { code: 'ADOPTION_REQUIRED' })
  const { applied } = await migrate(database, { adopt: true })
  t.ok(applied.includes('column session.impersonated_by'))
  t.notOk(applied.includes('column user.role'))
  t.same(await postgres.query('select role, banned from "user"', url), [{ role: 'admin,editor', banned: null }])
  await requireMigrated(database)
})

t.test('what cannot be added is named, and nothing is changed', async (t) => {
  const url = await postgres.createDatabase()
  await migrate(await open(t, url, []))
  await postgres.query(
    'alter table "user" add banned int, add username text; create table two_factor (id text primary key)',
    url
  )
  const database = await open(t, url)
  const { obstacles } = await inspectMigrations(database)
  t.same(obstacles.sort(), [
    'column two_factor.backup_codes is missing',
    'column two_factor.secret is missing',
    'column two_factor.user_id is missing',
    'column user.banned is integer instead of boolean'
  ])
  await t.rejects(migrate(database), { code: 'PLUGIN_TABLES_MISMATCH', message: /user\.banned is integer/ })
  await postgres.query(
    `alter table "user" drop banned; drop table two_factor;
     insert into "user" (id, name, email, username) values ('a', '', 'a', 'same'), ('b', '', 'b', 'same')`,
    url
  )
  await t.rejects(migrate(database), { code: 'PLUGIN_TABLES_MISMATCH', message: /username is not unique, and rows/ })
  t.same(await postgres.query(`select to_regclass('two_factor') is null as untouched`, url), [{ untouched: true }])
})
