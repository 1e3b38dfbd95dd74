import { admin, organization, twoFactor, username } from 'better-auth/plugins'
import t from 'tap'
import { pluginTables } from '../../auth/plugin-tables.ts'
import { inspectMigrations, migrate, requireMigrated } from '../../db/migrate.ts'
import { openDatabase } from '../../db/open-database.ts'
import { Device, startAuthApp } from '../support/auth-app.ts'
import { eachDatabase } from '../support/databases.ts'

const plugins = [admin(), username(), twoFactor(), organization({ teams: { enabled: true } })]
const added = [
  'column user.role',
  'column user.banned',
  'column user.ban_reason',
  'column user.ban_expires',
  'column user.username',
  'column user.display_username',
  'column user.two_factor_enabled',
  'column session.impersonated_by',
  'column session.active_organization_id',
  'column session.active_team_id',
  ...['two_factor', 'organization', 'team', 'team_member', 'member', 'invitation'].map((table) => `table ${table}`)
]

t.test('without plugins nothing is added, and neither by one that wants nothing', async (t) => {
  t.same(pluginTables({}), [])
  t.same(pluginTables({ plugins: [{ id: 'mine' }] }), [])
})

await eachDatabase(t, async (t, { options }) => {
  const database = await openDatabase({ ...options, pluginTables: pluginTables({ plugins }) })

  await t.test('plugins bring their tables and columns, once', async (t) => {
    t.same((await inspectMigrations(database)).pending.toSorted(), added.toSorted())
    await t.rejects(requireMigrated(database), { code: 'MIGRATIONS_PENDING', message: /column user\.role/ })
    t.same((await migrate(database)).applied.toSorted(), added.toSorted())
    t.same(await migrate(database), { applied: [] })
    t.same(await inspectMigrations(database), {
      pending: [],
      adoptable: false,
      differences: [],
      obstacles: [],
      elsewhere: []
    })
    await requireMigrated(database)
  })
  await database.close()

  await t.test('they work: a username, two factors, an organization, an administrator', async (t) => {
    const target = await startAuthApp(t, { extension: { plugins }, database: options })
    const ada = new Device(target)
    const signedUp = await ada.post('/sign-up/email', {
      email: 'ada@example.org',
      password: 'correct horse',
      name: 'Ada',
      username: 'Ada_L'
    })
    t.equal(signedUp.status, 200)
    const { user } = (await signedUp.json()) as { user: { id: string } }
    t.equal((await ada.post('/sign-in/username', { username: 'ADA_L', password: 'correct horse' })).status, 200)

    const made = await ada.post('/organization/create', { name: 'House', slug: 'house' })
    t.equal(made.status, 200)
    const { id } = (await made.json()) as { id: string }
    const invited = await ada.post('/organization/invite-member', {
      email: 'eve@example.org',
      role: 'member',
      organizationId: id
    })
    t.equal(invited.status, 200)
    const full = await ada.fetch(`/organization/get-full-organization?organizationId=${id}`)
    t.match(await full.json(), {
      slug: 'house',
      members: [{ userId: user.id, role: 'owner', user: { email: 'ada@example.org' } }],
      invitations: [{ email: 'eve@example.org', status: 'pending' }]
    })

    t.equal((await ada.fetch('/admin/list-users')).status, 403)
    await target.database.withDirectClient(({ query }) => query(`update "user" set role = 'admin'`))
    t.match(await (await ada.fetch('/admin/list-users')).json(), { users: [{ role: 'admin', banned: false }] })

    const second = await ada.post('/two-factor/enable', { password: 'correct horse' })
    t.equal(second.status, 200)
    t.match(await second.json(), { totpURI: /^otpauth:/, backupCodes: [String] })
  })
})
