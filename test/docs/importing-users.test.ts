import { execFile } from 'node:child_process'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { gatehouse } from '../src/gatehouse.ts'
import { Device, startAuthApp } from '../support/auth-app.ts'
import { migrateOnce } from '../support/embedded-database.ts'
import { startPostgres } from '../support/postgres.ts'
import { userSystemsPython, withoutUserSystems } from '../support/python.ts'
import { blockWith } from './documents.ts'

const page = 'docs/importing-users.md'
const password = 'größte Schildkröte 🐢'
const postgres = await startPostgres(t)
// Postgres may run as a user of its own, and writes the files.
const folder = await mkdtemp(join(tmpdir(), 'gatehouse-import-'))
await chmod(folder, 0o777)
t.teardown(() => rm(folder, { recursive: true, force: true }))

/** Runs one of the programs that make a system's tables and users. */
async function make(program: string, url: string): Promise<void> {
  await promisify(execFile)(await userSystemsPython(), [join(import.meta.dirname, '../support/apps', program)], {
    env: { PATH: process.env['PATH'], DATABASE_URL: url, PASSWORD: password },
    timeout: 120_000
  })
}

/** Exports by the page's command, imports into a new database by the page's commands, and answers a gateway on it. */
async function move(t: Test, from: string, marker: string, ...flags: string[]) {
  const [command = ''] = blockWith(page, marker)
    .split('\n')
    .filter((line) => line.startsWith('\\copy'))
  const file = join(folder, 'users.csv')
  // psql's \copy is COPY with the file on this side.
  await postgres.query(command.replace('\\copy', 'copy').replace("'users.csv'", `'${file}'`), from)
  t.teardown(() => rm(file, { force: true }))
  const url = await postgres.createDatabase()
  await migrateOnce({ driver: 'pg', url })
  const outputs: string[] = []
  for (const line of blockWith(page, 'users import').trim().split('\n')) {
    const args = line.replace('npm run gatehouse -- ', '').replace('users.csv', file).split(' ')
    const { status, stdout, stderr } = await gatehouse([...args, ...flags], t.testdir(), { DATABASE_URL: url })
    t.equal(status, 0, stdout + stderr)
    outputs.push(stdout)
  }
  t.match(outputs[0], /would be added/)
  t.match(outputs[1], /^line 2: added$/m)
  const target = await startAuthApp(t, { database: { driver: 'pg', url } })
  const signIn = async (name: string) => {
    const answer = await new Device(target).post('/sign-in/email', { email: `${name}@example.org`, password })
    return answer.status
  }
  return {
    signIn,
    output: outputs[1] ?? '',
    users: () => postgres.query('select * from "user" order by email', url),
    left: () => postgres.query(blockWith(page, 'select count(*) from account'), url)
  }
}

t.test('from fastapi-users', { skip: await withoutUserSystems() }, async (t) => {
  const from = await postgres.createDatabase()
  await make('fastapi_users_table.py', from)
  const { signIn, users, left } = await move(t, from, 'from "user"', '--trust-verified')
  const before = await postgres.query(
    'select id::text, email, is_verified from "user" where is_active order by email',
    from
  )
  t.match(
    await users(),
    before.map(({ id, email, is_verified: verified }) => ({ id, email, email_verified: verified }))
  )
  t.match(await left(), [{ count: '2' }])
  for (const name of ['ada', 'grace']) t.equal(await signIn(name), 200, name)
  t.match(await left(), [{ count: '0' }])
  for (const name of ['ada', 'grace']) t.equal(await signIn(name), 200, name)
  t.equal(await signIn('gone'), 401)
})

t.test('from Django', { skip: await withoutUserSystems() }, async (t) => {
  const from = await postgres.createDatabase()
  await make('django_users.py', from)
  t.match(await postgres.query(blockWith(page, 'having count'), from), [
    { address: '', count: '1', bool_or: true },
    { address: 'twice@example.org', count: '2', bool_or: true }
  ])
  const { signIn, users, output } = await move(t, from, 'date_joined')
  t.match(output, /^8 added, 1 there already, 0 refused$/m)
  t.match(output, /: added, without a password$/m)
  t.match(output, /there already, and not changed$/m)
  const imported = await users()
  t.match(
    imported.find(({ email }) => email === 'argon2@example.org'),
    { name: 'Ada Lovelace', email_verified: false }
  )
  const hashers = ['pbkdf2_sha256', 'pbkdf2_sha1', 'argon2', 'bcrypt_sha256', 'bcrypt', 'scrypt']
  for (const name of [...hashers, 'twice']) t.equal(await signIn(name), 200, name)
  for (const name of ['unusable', 'gone']) t.equal(await signIn(name), 401, name)
})

t.test('from Supabase', async (t) => {
  const from = await postgres.createDatabase()
  await postgres.query(supabase, from)
  const { signIn, users } = await move(t, from, 'auth.users', '--trust-verified')
  t.match(await users(), [
    { id: '00000000-0000-4000-8000-000000000001', email: 'ada@example.org', name: 'Ada', email_verified: true },
    { email: 'grace@example.org', name: 'Grace', email_verified: false },
    { email: 'linked@example.org', name: '', email_verified: true },
    { email: 'pardoned@example.org' }
  ])
  for (const name of ['ada', 'grace', 'pardoned']) t.equal(await signIn(name), 200, name)
  for (const name of ['linked', 'banned', 'deleted', 'sso']) t.equal(await signIn(name), 401, name)
})

// The columns that Supabase's table has, without those of its many tokens, and rows as its own seeds make them.
const supabase = `
create extension pgcrypto;
create schema auth;
create table auth.users (
  instance_id uuid, id uuid primary key, aud varchar(255), role varchar(255), email varchar(255),
  encrypted_password varchar(255), email_confirmed_at timestamptz, invited_at timestamptz, last_sign_in_at timestamptz,
  raw_app_meta_data jsonb, raw_user_meta_data jsonb, is_super_admin boolean, created_at timestamptz, updated_at timestamptz,
  phone text unique, phone_confirmed_at timestamptz,
  confirmed_at timestamptz generated always as (least(email_confirmed_at, phone_confirmed_at)) stored,
  banned_until timestamptz, is_sso_user boolean not null default false, deleted_at timestamptz,
  is_anonymous boolean not null default false
);
insert into auth.users (id, aud, role, email, encrypted_password, email_confirmed_at, raw_user_meta_data, created_at, banned_until, is_sso_user, deleted_at, is_anonymous)
select ('00000000-0000-4000-8000-00000000000' || n)::uuid, 'authenticated', 'authenticated', email,
  case when plain = '' then '' else crypt(plain, gen_salt('bf', 10)) end, confirmed, meta::jsonb, now(), banned, sso, deleted, anonymous
from (values
  (1, 'ada@example.org', '${password}', now(), '{"full_name": "Ada"}', null::timestamptz, false, null::timestamptz, false),
  (2, 'grace@example.org', '${password}', null, '{"name": "Grace"}', null, false, null, false),
  (3, 'linked@example.org', '', now(), '{}', null, false, null, false),
  (4, 'banned@example.org', '${password}', now(), '{}', now() + interval '1 day', false, null, false),
  (5, 'pardoned@example.org', '${password}', now(), '{}', now() - interval '1 day', false, null, false),
  (6, 'deleted@example.org', '${password}', now(), '{}', null, false, now(), false),
  (7, 'sso@example.org', '${password}', now(), '{}', null, true, null, false),
  (8, null, '', null, '{}', null, false, null, true)
) as users (n, email, plain, confirmed, meta, banned, sso, deleted, anonymous);
`
