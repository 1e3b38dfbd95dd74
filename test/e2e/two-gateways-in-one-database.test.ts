import { mkdir, writeFile } from 'node:fs/promises'
import { drizzle } from 'drizzle-orm/node-postgres'
import { migrate as migrateWithDrizzle } from 'drizzle-orm/node-postgres/migrator'
import pg from 'pg'
import t, { type Test } from 'tap'
import { migrate } from '../../db/migrate.ts'
import { openDatabase } from '../../db/open-database.ts'
import { Browser } from '../support/browser.ts'
import { eachEmptyDatabase } from '../support/databases.ts'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { until } from '../support/until.ts'

/** An application of somebody else's that keeps its own tables with Drizzle's tools, as they do it by default. */
async function migrateForeignApp(t: Test, url: string, when: number): Promise<void> {
  const folder = t.testdir()
  await mkdir(`${folder}/meta`, { recursive: true })
  const tag = `0000_foreign_${when}`
  const entries = [{ idx: 0, version: '7', when, tag, breakpoints: true }]
  await writeFile(`${folder}/meta/_journal.json`, JSON.stringify({ version: '7', dialect: 'postgresql', entries }))
  await writeFile(`${folder}/${tag}.sql`, `create table foreign_${when} (id int)`)
  const pool = new pg.Pool({ connectionString: url, max: 1 })
  try {
    await migrateWithDrizzle(drizzle(pool), { migrationsFolder: folder })
  } finally {
    await pool.end()
  }
}

const longAgo = 1_000
const yearThreeThousand = 32_503_680_000_000

await eachEmptyDatabase(
  t,
  async (t, { options, env, postgres }) => {
    const url = options.url ?? ''
    const sql = async (text: string) => (await postgres?.query(text, url)) ?? []
    const upstream = await startEchoUpstream(t)
    await sql('create table "user" (id uuid primary key, email text)')
    for (const schemaName of ['one', 'two']) {
      const database = await openDatabase({ ...options, schemaName })
      t.teardown(() => database.close())
      if (schemaName === 'two') {
        const refusal = { code: 'SCHEMA_CHANGED', message: /schema one .* in two, .*migrate --beside/ }
        await t.rejects(migrate(database), refusal)
        t.same(await sql(`select 1 from pg_namespace where nspname = 'two'`), [], 'nothing was changed')
      }
      t.equal((await migrate(database, { beside: schemaName === 'two' })).applied.length, 4)
      t.same(await migrate(database), { applied: [] })
      // Drizzle's tools take the latest time in their table for all that was applied, whoever recorded it.
      const when = schemaName === 'one' ? longAgo : yearThreeThousand
      await migrateForeignApp(t, url, when)
      t.same(await sql(`select to_regclass('foreign_${when}') is not null as there`), [{ there: true }])
    }

    const start = async (schemaName: string) => {
      const more = { ...env, DATABASE_SCHEMA: schemaName, SESSION_CACHE_TTL: '600' }
      return startTestGateway(t, { upstreamUrl: upstream.url, env: more })
    }
    const [one, two] = [await start('one'), await start('two')]
    const password = 'correct horse battery'
    const ann = new Browser(one.url, one.publicUrl)
    const bob = new Browser(two.url, two.publicUrl)
    for (const [browser, name] of [
      [ann, 'ann'],
      [bob, 'bob']
    ] as const) {
      const signedUp = await browser.post('/api/auth/sign-up/email', { name, email: `${name}@example.com`, password })
      t.equal(signedUp.status, 200)
      t.equal((await browser.ask('/me')).status, 200)
    }

    await t.test('each has users of its own', async (t) => {
      t.same(await sql('select email from one."user"'), [{ email: 'ann@example.com' }])
      t.same(await sql('select email from two."user"'), [{ email: 'bob@example.com' }])
      t.same(await sql('select * from public."user"'), [])
      const stranger = new Browser(two.url, two.publicUrl)
      const tried = await stranger.post('/api/auth/sign-in/email', { email: 'ann@example.com', password })
      t.equal(tried.status, 401)
    })

    await t.test('a session that ends by SQL ends at its own gateway, and the other hears nothing', async (t) => {
      const other = await openDatabase({ ...options, schemaName: 'two' })
      t.teardown(() => other.close())
      await other.listen(other.eventChannel, t.fail, () => {})
      await sql('delete from one.session')
      await until(async () => (await ann.ask('/me')).status === 401)
      t.equal((await bob.ask('/me')).status, 200)
    })

    await t.test('a third schema is none of theirs: a gateway does not start in it', async (t) => {
      const refusal = { code: 'SCHEMA_CHANGED', message: /schema one, two of this database/ }
      await t.rejects(start('three'), refusal)
      t.same(await sql(`select 1 from pg_namespace where nspname = 'three'`), [])
    })
  },
  ['pg', 'neon']
)
