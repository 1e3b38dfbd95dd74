import { admin } from 'better-auth/plugins/admin'
import { organization } from 'better-auth/plugins/organization'
import t from 'tap'
import { Device, startAuthApp } from '../support/auth-app.ts'

// BetterAuth reads a hundred rows where it asks for all of them, and takes those for all there are.

const extension = { plugins: [admin(), organization({ teams: { enabled: true, maximumTeams: 1_000 } })] }
const { database, ...target } = await startAuthApp(t, { extension })
const sql = (text: string, params: unknown[] = []) =>
  database.withDirectClient(async ({ query }) => (await query(text, params)).rows)
const many = 150

t.test('a password is found among more than a hundred accounts of a user, and all are listed', async (t) => {
  const ada = new Device(target)
  const id = await ada.signUp('ada@example.com')
  // The password's account becomes the last of them.
  const [account] = await sql('delete from account where user_id = $1 returning *', [id])
  await sql(
    `insert into account (id, account_id, provider_id, user_id, updated_at)
     select 'a' || n, 'a' || n, 'github', $1, now() from generate_series(1, ${many}) n`,
    [id]
  )
  await sql(
    `insert into account (id, account_id, provider_id, user_id, password, updated_at) values ($1, $2, 'credential', $2, $3, now())`,
    [account?.['id'], id, account?.['password']]
  )
  const again = new Device(target)
  const { error } = await again.client.signIn.email({ email: 'ada@example.com', password: 'correct horse' })
  t.equal(error, null)
  const { data } = await again.client.listAccounts()
  t.equal(data?.length, many + 1)
})

t.test('who leaves an organization leaves more than a hundred teams of it', async (t) => {
  const [owner, leaver] = [new Device(target), new Device(target)]
  await owner.signUp('owner@example.com')
  const id = await leaver.signUp('leaver@example.com')
  const made = await owner.post('/organization/create', { name: 'House', slug: 'house' })
  const { id: organizationId } = (await made.json()) as { id: string }
  await sql(
    `insert into member (id, organization_id, user_id, role, created_at) values ('m', $1, $2, 'member', now())`,
    [organizationId, id]
  )
  await sql(
    `insert into team (id, name, organization_id, created_at)
     select 't' || n, 't' || n, $1, now() from generate_series(1, ${many}) n`,
    [organizationId]
  )
  await sql(
    `insert into team_member (id, team_id, user_id, created_at)
     select 't' || n, 't' || n, $1, now() from generate_series(1, ${many}) n`,
    [id]
  )
  const removed = await owner.post('/organization/remove-member', { memberIdOrEmail: 'm', organizationId })
  t.equal(removed.status, 200, await removed.text())
  const [left] = await sql('select count(*)::int as n from team_member where user_id = $1', [id])
  t.equal(left?.['n'], 0)
})

t.test('a list that is cut says of how many: the users, for administrators', async (t) => {
  await sql(
    `insert into "user" (id, name, email) select 'u' || n, 'u', 'u' || n || '@example.com' from generate_series(1, 1200) n`
  )
  const boss = new Device(target)
  await boss.signUp('boss@example.com')
  await sql(`update "user" set role = 'admin' where email = 'boss@example.com'`)
  const { users, total } = (await (await boss.fetch('/admin/list-users')).json()) as { users: unknown[]; total: number }
  t.equal(users.length, 1_000)
  t.ok(total > 1_200)
})
