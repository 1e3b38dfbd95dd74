import pg from 'pg'
import t from 'tap'
import { type DataModel, embeddedDataModel, readDataModel, withDataModel } from '../../docs/data-model.ts'
import { migrateOnce } from '../support/embedded-database.ts'
import { startPostgres } from '../support/postgres.ts'
import { blocksOf, pageOf } from './documents.ts'

const page = pageOf('docs/data-model.md')
const postgres = await startPostgres(t)
const url = await postgres.createDatabase()
await migrateOnce({ driver: 'pg', url })

t.test('the tables are what `npm run docs` makes of a migrated database', async (t) => {
  t.same(withDataModel(page.text, await embeddedDataModel()).split('\n'), page.text.split('\n'))
})

t.test('Postgres says the same as the embedded database, and nothing is left out', async (t) => {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const model: DataModel = await readDataModel({ query: (text) => client.query(text) }).finally(() => client.end())
  t.same(withDataModel(page.text, model).split('\n'), page.text.split('\n'))
  for (const row of [...model.tables, ...model.indexes, ...model.triggers])
    t.ok(page.text.includes(`| ${row[0]} |`), `${row[0]}`)
  // The migrations' own table is said to be left alone.
  const described = [...page.text.matchAll(/^<!-- columns of (\w+) -->$/gm)].map(([, table]) => table)
  t.same([...model.columns.keys()].filter((table) => !/migrations$/.test(table)).sort(), described.sort())
})

t.test('every row has a meaning', async (t) => {
  for (const [row] of page.text.matchAll(/^\|.*\|$/gm)) t.notMatch(row, /\|\s*\|$/)
})

t.test('an app reads and joins what the page says, and no secret', async (t) => {
  const [grants = '', notes = '', ...more] = blocksOf(page)
    .filter(({ language }) => language === 'sql')
    .map(({ text }) => text)
  t.same(more, [])
  await postgres.query(grants, url)
  const app = new pg.Client({
    connectionString: Object.assign(new URL(url), { username: 'app', password: 'a password' }).href
  })
  await app.connect()
  t.teardown(() => app.end())
  await postgres.query(`insert into "user" (id, name, email) values ('ada', 'Ada', 'ada@example.com')`, url)
  const [table = '', query = ''] = notes.split(/(?<=;)\n/)
  await app.query(table)
  await app.query(`insert into app.note (user_id, body) values ('ada', 'one')`)
  t.same((await app.query(query)).rows, [{ body: 'one', email: 'ada@example.com' }])
  await t.rejects(app.query(`insert into app.note (user_id, body) values ('nobody', 'two')`), { code: '23503' })
  for (const secret of ['token from session', 'password from account', 'value from verification', '* from "user"'])
    await t.rejects(app.query(`select ${secret}`), { code: '42501' }, secret)
  await t.rejects(app.query(`delete from "user"`), { code: '42501' })
  await postgres.query(`delete from "user" where id = 'ada'`, url)
  t.same((await app.query('select * from app.note')).rows, [], 'what belongs to somebody goes with the account')
})
