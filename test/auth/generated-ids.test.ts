import { admin, organization, twoFactor } from 'better-auth/plugins'
import t from 'tap'
import { pluginTables } from '../../auth/plugin-tables.ts'
import { subjectOf } from '../../auth/session-verdict.ts'
import { createUserImport } from '../../auth/user-import.ts'
import { inspectMigrations, migrate, requireMigrated } from '../../db/migrate.ts'
import { openDatabase } from '../../db/open-database.ts'
import { createSessionList, createSessionReader } from '../../db/session-queries.ts'
import { Device, startAuthApp } from '../support/auth-app.ts'
import { eachEmptyDatabase } from '../support/databases.ts'
import { until } from '../support/until.ts'

const shapes = { uuid: /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, serial: /^[1-9]\d*$/ }
const plugins = [admin(), twoFactor(), organization()]

await eachEmptyDatabase(t, async (t, database) => {
  for (const ids of ['uuid', 'serial'] as const) {
    await t.test(ids, async (t) => {
      const options = { ...database.options, schemaName: ids, ids }
      const made = await openDatabase({ ...options, pluginTables: pluginTables({ plugins }) })
      await migrate(made, { beside: true })
      t.match(await inspectMigrations(made), { pending: [], differences: [], obstacles: [] })
      await requireMigrated(made)
      t.same(await migrate(made), { applied: [] })
      await made.close()
      for (const kind of ['text', ids === 'uuid' ? 'serial' : 'uuid'] as const) {
        const other = await openDatabase({ ...options, ids: kind })
        await t.rejects(requireMigrated(other), { code: 'ID_KIND_MISMATCH' })
        await t.rejects(migrate(other), { code: 'ID_KIND_MISMATCH' })
        await other.close()
      }

      const extension = { plugins, advanced: { database: { generateId: ids } } }
      const target = await startAuthApp(t, { publicUrl: database.publicUrl, extension, database: options })
      const store = target.database
      const ann = new Device(target)
      const id = await ann.signUp('ann@example.com')
      t.match(id, shapes[ids])
      const bob = new Device(target)
      await bob.signUp('bob@example.com')

      const { data } = await ann.client.getSession()
      t.match(data, { user: { id, email: 'ann@example.com' }, session: { userId: id } })
      const read = createSessionReader(store)
      const record = await read(data?.session.token ?? '')
      t.match(record, { userId: id, email: 'ann@example.com', sessionId: shapes[ids] })
      const list = createSessionList(store)
      const page = await list.page(id, { page: 1, size: 10, current: record?.sessionId ?? '' })
      t.match(page, { total: 1, sessions: [{ id: record?.sessionId }] })
      t.match(await list.some(id, ['no id at all', record?.sessionId ?? '']), [{ id: record?.sessionId }])
      t.equal((await ann.post('/organization/create', { name: 'House', slug: 'house' })).status, 200)

      // What is no id is nobody's, and no outage.
      const organizationId = 'no id at all'
      const importUser = createUserImport(await target.auth.$context, { dryRun: false, ids })
      const from = (id: string) => importUser({ id, email: `${id}@example.com`, emailVerified: false, name: '' })
      t.equal(await from('17'), 'id unfit')
      const uuid = '6f1c0a52-4f0e-4b6e-9b1c-0d6b2f7f3a11'
      t.equal(await from(uuid), ids === 'uuid' ? 'added' : 'id unfit')
      const status = (await ann.post('/organization/set-active', { organizationId })).status
      t.ok(status >= 400 && status < 500, String(status))

      const heard: string[] = []
      const stop = await store.listen(store.eventChannel, (payload) => heard.push(payload), t.fail)
      const second = new Device(target)
      await second.client.signIn.email({ email: 'ann@example.com', password: 'correct horse' })
      t.equal((await ann.client.revokeOtherSessions()).error, null)
      t.equal((await second.client.getSession()).data, null)
      t.match((await ann.client.getSession()).data, { user: { id } })
      t.equal((await ann.client.updateUser({ name: 'Anna' })).error, null)
      await until(() => heard.includes(`u${subjectOf(id)}`))
      await store.db.delete(store.schema.user)
      await until(() => heard.filter((payload) => payload === `u${subjectOf(id)}`).length > 1)
      await stop()
      t.equal(await read(data?.session.token ?? ''), null, 'sessions go with their user')
      t.equal((await ann.client.getSession()).data, null)
    })
  }
})
