import { getAuthTables } from 'better-auth/db'
import { getTableColumns, Relations } from 'drizzle-orm'
import { getTableConfig, PgTable } from 'drizzle-orm/pg-core'
import t from 'tap'
import { extendSchema } from '../../db/extended-schema.ts'
import * as schema from '../../db/schema.ts'

const tables = new Map<string, PgTable>()
for (const part of Object.values(schema)) {
  if (part instanceof PgTable) tables.set(getTableConfig(part).name, part)
}
const wanted = getAuthTables({ emailAndPassword: { enabled: true } })
const types: Record<string, string> = { string: 'text', boolean: 'boolean', date: 'timestamp with time zone' }

t.test('the tables are exactly those that BetterAuth wants', async (t) => {
  t.same([...tables.keys()].sort(), Object.keys(wanted).sort())
})

for (const [model, { fields }] of Object.entries(wanted)) {
  t.test(`the columns of ${model} are exactly those that BetterAuth wants`, async (t) => {
    const table = tables.get(model)
    if (table === undefined) throw new Error(`no table ${model}`)
    const columns = getTableColumns(table)
    t.same(Object.keys(columns).sort(), ['id', ...Object.keys(fields)].sort())
    t.match(columns['id'], { name: 'id', primary: true, dataType: 'string' })
    for (const [name, field] of Object.entries(fields)) {
      const column = columns[name]
      t.equal(
        column?.name,
        name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
      )
      t.equal(column?.getSQLType(), types[String(field.type)], `${model}.${name} type`)
      t.equal(column?.notNull, field.required === true, `${model}.${name} required`)
      t.equal(column?.isUnique, field.unique === true, `${model}.${name} unique`)
    }
    const { foreignKeys, indexes } = getTableConfig(table)
    const references = Object.entries(fields).filter(([, field]) => field.references !== undefined)
    t.same(
      foreignKeys.map((key) => {
        const { columns, foreignTable, foreignColumns } = key.reference()
        return [columns[0]?.name, getTableConfig(foreignTable).name, foreignColumns[0]?.name, key.onDelete]
      }),
      references.map(([name, { references: to }]) => [columns[name]?.name, to?.model, to?.field, to?.onDelete])
    )
    t.same(
      indexes.map(({ config }) => config.columns.map((column) => 'name' in column && column.name)),
      Object.entries(fields).flatMap(([name, field]) => (field.index === true ? [[columns[name]?.name]] : []))
    )
  })
}

t.test('BetterAuth finds the relations that its joins go along', async (t) => {
  const { userRelations, sessionRelations, accountRelations } = Object.fromEntries<unknown>(
    Object.entries(extendSchema([]).schema)
  )
  t.ok(userRelations instanceof Relations)
  t.ok(sessionRelations instanceof Relations)
  t.ok(accountRelations instanceof Relations)
})
