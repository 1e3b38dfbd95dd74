import { betterAuth } from 'better-auth'
import { drizzleAdapter } from 'better-auth/adapters/drizzle'
import { getMigrations } from 'better-auth/db/migration'
import pg from 'pg'
import t, { type Test } from 'tap'
import type { Database } from '../../db/database.ts'
import { inspectMigrations, migrate } from '../../db/migrate.ts'
import { openDatabase } from '../../db/open-database.ts'
import * as schema from '../../db/schema.ts'
import { createSessionReader } from '../../db/session-queries.ts'
import { startPostgres } from '../support/postgres.ts'

const postgres = await startPostgres(t)
const emailAndPassword = { enabled: true }
const secret = 'the secret of these tests, which is long enough'

// What BetterAuth's generator for drizzle makes of its four tables, in SQL.
const generated = `
  create table "user" (id text primary key, name text not null, email text not null unique,
    email_verified boolean default false not null, image text,
    created_at timestamp default now() not null, updated_at timestamp default now() not null);
  create table session (id text primary key, expires_at timestamp not null, token text not null unique,
    created_at timestamp default now() not null, updated_at timestamp not null, ip_address text, user_agent text,
    user_id text not null references "user" (id) on delete cascade);
  create table account (id text primary key, account_id text not null, provider_id text not null,
    user_id text not null references "user" (id) on delete cascade, access_token text, refresh_token text,
    id_token text, access_token_expires_at timestamp, refresh_token_expires_at timestamp, scope text, password text,
    created_at timestamp default now() not null, updated_at timestamp not null);
  create table verification (id text primary key, identifier text not null, value text not null,
    expires_at timestamp not null, created_at timestamp default now() not null,
    updated_at timestamp default now() not null);
  create index "session_userId_idx" on session (user_id);
  create index "account_userId_idx" on account (user_id);
  create index "verification_identifier_idx" on verification (identifier);
  insert into "user" (id, name, email) values ('ann', 'Ann', 'ann@example.com');
  insert into session (id, token, user_id, expires_at, created_at, updated_at)
    values ('s1', 'token-1', 'ann', '2030-01-02 03:04:05.678', '2029-01-02 03:04:05.678', now());`

async function makeDatabase(t: Test, sql: string): Promise<{ database: Database; url: string }> {
  const url = await postgres.createDatabase()
  if (sql !== '') await postgres.query(sql, url)
  const database = await openDatabase({ driver: 'pg', url })
  t.teardown(() => database.close())
  return { database, url }
}

/** Everything that adopting could change. */
function shapeOf(url: string): Promise<unknown> {
  return postgres.query(
    `select table_schema, table_name, column_name, data_type, is_nullable from information_schema.columns
     where table_schema not in ('pg_catalog', 'information_schema')
     union all select n.nspname, c.relname, '', c.relkind::text, '' from pg_class c
     join pg_namespace n on n.oid = c.relnamespace and n.nspname = 'public' order by 1, 2, 3`,
    url
  )
}

t.test("what BetterAuth's generator for drizzle made is adopted as it is, and goes on working", async (t) => {
  const { database, url } = await makeDatabase(t, generated)
  const shape = await shapeOf(url)
  const { pending, ...state } = await inspectMigrations(database)
  t.same(state, { adoptable: true, differences: [], obstacles: [], elsewhere: [] })

  await t.rejects(migrate(database), { code: 'ADOPTION_REQUIRED', message: /migrate --adopt/ })
  t.same(await shapeOf(url), shape, 'nothing was changed')

  t.same(await migrate(database, { adopt: true }), { applied: pending })
  t.same(await inspectMigrations(database), {
    pending: [],
    adoptable: false,
    differences: [],
    obstacles: [],
    elsewhere: []
  })
  t.same(await migrate(database), { applied: [] })
  t.match(await createSessionReader(database)('token-1'), {
    email: 'ann@example.com',
    createdAt: Date.parse('2029-01-02T03:04:05.678Z'),
    expiresAt: Date.parse('2030-01-02T03:04:05.678Z')
  })

  const auth = betterAuth({
    baseURL: 'http://localhost:8080',
    secret,
    emailAndPassword,
    database: drizzleAdapter(database.db, { provider: 'pg', schema })
  })
  const { token } = await auth.api.signUpEmail({
    body: { name: 'Bob', email: 'bob@example.com', password: 'a long enough password' }
  })
  const session = await createSessionReader(database)(token ?? '')
  const days = ((session?.expiresAt ?? 0) - Date.now()) / 86_400_000
  t.ok(days > 6.99 && days < 7.01, 'it lives for a week, in every time zone')
})

t.test("what BetterAuth's own migration made with snake_case names is adopted", async (t) => {
  const { database, url } = await makeDatabase(t, '')
  const pool = new pg.Pool({ connectionString: url })
  t.teardown(() => pool.end())
  const { runMigrations } = await getMigrations({
    database: pool,
    emailAndPassword,
    secret,
    user: { fields: { emailVerified: 'email_verified', createdAt: 'created_at', updatedAt: 'updated_at' } },
    session: {
      fields: {
        expiresAt: 'expires_at',
        createdAt: 'created_at',
        updatedAt: 'updated_at',
        ipAddress: 'ip_address',
        userAgent: 'user_agent',
        userId: 'user_id'
      }
    },
    account: {
      fields: {
        accountId: 'account_id',
        providerId: 'provider_id',
        userId: 'user_id',
        accessToken: 'access_token',
        refreshToken: 'refresh_token',
        idToken: 'id_token',
        accessTokenExpiresAt: 'access_token_expires_at',
        refreshTokenExpiresAt: 'refresh_token_expires_at',
        createdAt: 'created_at',
        updatedAt: 'updated_at'
      }
    },
    verification: { fields: { expiresAt: 'expires_at', createdAt: 'created_at', updatedAt: 'updated_at' } }
  })
  await runMigrations()
  t.match(await inspectMigrations(database), { adoptable: true, differences: [] })
  t.ok((await migrate(database, { adopt: true })).applied.length > 0)
})

t.test("what BetterAuth's own migration made with its own names is refused, with every difference", async (t) => {
  const { database, url } = await makeDatabase(t, '')
  const pool = new pg.Pool({ connectionString: url })
  t.teardown(() => pool.end())
  const { runMigrations } = await getMigrations({ database: pool, emailAndPassword, secret })
  await runMigrations()
  const shape = await shapeOf(url)
  const { adoptable, differences } = await inspectMigrations(database)
  t.equal(adoptable, false)
  t.ok(differences.includes('column session.user_id is missing'))
  const refused = { code: 'ADOPTION_MISMATCH', message: /column session\.user_id is missing/ }
  await t.rejects(migrate(database, { adopt: true }), refused)
  t.same(await shapeOf(url), shape, 'nothing was changed')
})

t.test('what is missing is added, and what is the user’s own stays', async (t) => {
  const { database, url } = await makeDatabase(
    t,
    `${generated}
     drop table verification;
     drop index "session_userId_idx";
     alter table session drop column user_agent, drop constraint session_user_id_fkey, drop constraint session_token_key;
     alter table "user" drop column created_at, alter column name drop not null, add column role text default 'admin';
     create table organization (id text primary key);`
  )
  const { adoptable, differences } = await inspectMigrations(database)
  t.equal(adoptable, true)
  t.same(differences.sort(), [
    'column session.token is not unique',
    'column session.user_agent is missing',
    'column user.created_at is missing',
    'column user.name may be null',
    'index on session.user_id is missing',
    'session.user_id does not reference user.id with "on delete cascade"',
    'table verification is missing'
  ])
  await migrate(database, { adopt: true })
  t.same(await postgres.query('select role, name, created_at is null as undated from "user"', url), [
    { role: 'admin', name: 'Ann', undated: false }
  ])
  t.same(await postgres.query('select count(*)::int as n from organization', url), [{ n: 0 }])
  await database.db.delete(schema.user)
  t.equal(await createSessionReader(database)('token-1'), null, 'sessions go with their user')

  await postgres.query('drop table gatehouse_migrations', url)
  t.match(await inspectMigrations(database), { adoptable: true, differences: [] })
})

const obstacles: Record<string, [sql: string, difference: string]> = {
  'a column of another type': [
    'alter table account alter user_id type varchar, alter scope type int using 1',
    'column account.scope is integer instead of text'
  ],
  'a column that must not stay empty': [
    'alter table session add x text; update session set user_agent = 1; alter table session alter user_agent set not null',
    'column session.user_agent must not be null, although it may stay empty'
  ],
  'a foreign key that does not cascade': [
    'alter table session drop constraint session_user_id_fkey; alter table session add foreign key (user_id) references "user" (id)',
    'session.user_id does not reference user.id with "on delete cascade"'
  ],
  'no primary key': [
    'alter table verification drop constraint verification_pkey',
    'column verification.id is not the primary key'
  ]
}

for (const [name, [sql, difference]] of Object.entries(obstacles)) {
  t.test(`${name} cannot be adopted, and nothing is changed`, async (t) => {
    const { database, url } = await makeDatabase(t, `${generated} drop index "account_userId_idx"; ${sql}`)
    const shape = await shapeOf(url)
    const { adoptable, differences } = await inspectMigrations(database)
    t.equal(adoptable, false)
    t.same(differences.sort(), [difference, 'index on account.user_id is missing'].sort())
    await t.rejects(migrate(database, { adopt: true }), { code: 'ADOPTION_MISMATCH', differences: [difference] })
    t.same(await shapeOf(url), shape)
  })
}

t.test('rows that stand against what is missing stop it, and nothing is changed', async (t) => {
  const { database, url } = await makeDatabase(
    t,
    `${generated} drop index "account_userId_idx"; alter table session drop constraint session_token_key;
     insert into session select 's2', expires_at, token, created_at, updated_at, null, null, user_id from session`
  )
  const shape = await shapeOf(url)
  const refused = { code: 'ADOPTION_MISMATCH', message: /column session\.token is not unique, and rows/ }
  await t.rejects(migrate(database, { adopt: true }), refused)
  t.same(await shapeOf(url), shape)
})

t.test('an empty database is migrated with or without adopting', async (t) => {
  const { database } = await makeDatabase(t, '')
  t.ok((await migrate(database, { adopt: true })).applied.length > 0)
})
