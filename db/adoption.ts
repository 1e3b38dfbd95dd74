import { is, SQL, sql } from 'drizzle-orm'
import { getTableConfig, type PgColumn, PgDialect, type PgTable } from 'drizzle-orm/pg-core'
import { readCatalog, type StoredColumn, type StoredTable } from './catalog.ts'
import type { GatehouseDb } from './database.ts'
import * as schema from './schema.ts'

/**
 * How an existing table differs from the schema: what it is about, in words, and what adds the missing part, a statement
 * or all that makes one table. With neither, it cannot be mended by adding something.
 */
export interface Difference {
  /** Such as `column user.email`. */
  readonly subject: string
  readonly sentence: string
  readonly add?: SQL
  readonly addTable?: string
}

const tables: readonly PgTable[] = [schema.user, schema.session, schema.account, schema.verification]

/** The names of the four tables, in an order in which they can be made. */
export const tableNames: readonly string[] = tables.map((table) => getTableConfig(table).name)

// What reads and writes like the schema's own type, and so may stay.
const alike: Readonly<Record<string, readonly string[]>> = {
  text: ['text', 'character varying'],
  boolean: ['boolean'],
  integer: ['integer', 'bigint'],
  jsonb: ['jsonb', 'json'],
  'text[]': ['ARRAY'],
  'integer[]': ['ARRAY'],
  'bigint[]': ['ARRAY'],
  'timestamp with time zone': ['timestamp with time zone', 'timestamp without time zone']
}

/** Which of the four tables exist, and how they differ from the schema. Tables and columns beyond it are the user's own. */
export async function compareTables(
  db: Pick<GatehouseDb, 'execute'>
): Promise<{ existing: string[]; differences: Difference[] }> {
  const stored = await readCatalog(db, tableNames)
  const differences = tables.flatMap((table) => compareTable(table, stored.get(getTableConfig(table).name)))
  return { existing: [...stored.keys()], differences }
}

/** How one table differs from what the catalog has of it. A table may be described by some of its columns only. */
export function compareTable(table: PgTable, stored: StoredTable | undefined): Difference[] {
  const { name, columns, indexes, foreignKeys } = getTableConfig(table)
  if (stored === undefined) {
    return [{ subject: `table ${name}`, sentence: `table ${name} is missing`, addTable: name }]
  }
  const differences = columns.flatMap((column) => compareColumn(name, column, stored))

  for (const { config } of indexes) {
    const on = config.columns.map((column) => ('name' in column ? column.name : undefined))
    const [first] = on
    if (first == null || on.length !== 1 || stored.indexed.has(first)) continue
    const index = sql.identifier(config.name ?? `${name}_${first}_idx`)
    const add = sql`create index ${index} on ${sql.identifier(name)} (${sql.identifier(first)})`
    const subject = `index on ${name}.${first}`
    differences.push({ subject, sentence: `${subject} is missing`, add })
  }
  for (const foreignKey of foreignKeys) {
    const { columns, foreignColumns, foreignTable } = foreignKey.reference()
    const [from] = columns
    const [to] = foreignColumns
    if (from === undefined || to === undefined) continue
    const target = getTableConfig(foreignTable).name
    const existing = stored.references.get(from.name)
    const onDelete = foreignKey.onDelete ?? 'no action'
    if (existing === `${target}.${to.name} ${onDelete === 'cascade' ? onDelete : 'other'}`) continue
    const subject = `reference ${name}.${from.name}`
    const sentence = `${name}.${from.name} does not reference ${target}.${to.name} with "on delete ${onDelete}"`
    const constraint = sql.identifier(foreignKey.getName())
    const add = sql`alter table ${sql.identifier(name)} add constraint ${constraint} foreign key (${sql.identifier(from.name)}) references ${sql.identifier(target)} (${sql.identifier(to.name)}) on delete ${sql.raw(onDelete)}`
    differences.push(existing === undefined ? { subject, sentence, add } : { subject, sentence })
  }
  return differences
}

function compareColumn(table: string, column: PgColumn, stored: StoredTable): Difference[] {
  const at = `${table}.${column.name}`
  const subject = `column ${at}`
  const found = stored.columns.get(column.name)
  const alter = sql`alter table ${sql.identifier(table)}`
  const self = sql.identifier(column.name)
  if (found === undefined) {
    const sentence = `${subject} is missing`
    // A required column without a default has no value for the rows that are there.
    if (column.primary || (column.notNull && column.default === undefined)) return [{ subject, sentence }]
    return [{ subject, sentence, add: sql`${alter} add column ${definitionOf(table, column)}` }]
  }
  const differences: Difference[] = []
  const type = column.getSQLType()
  if (!(alike[type] ?? [type]).includes(found.type)) {
    differences.push({ subject, sentence: `${subject} is ${found.type} instead of ${type}` })
  }
  if (column.primary && !stored.primaryKeys.has(column.name)) {
    differences.push({ subject, sentence: `${subject} is not the primary key` })
  }
  if (column.isUnique && !stored.unique.has(column.name)) {
    const add = sql`${alter} add ${uniqueness(table, column)} (${self})`
    differences.push({ subject, sentence: `${subject} is not unique`, add })
  }
  return [...differences, ...compareNullability(subject, alter, column, found)]
}

function compareNullability(subject: string, alter: SQL, column: PgColumn, found: StoredColumn): Difference[] {
  if (column.notNull && found.nullable) {
    const add = sql`${alter} alter column ${sql.identifier(column.name)} set not null`
    return [{ subject, sentence: `${subject} may be null`, add }]
  }
  if (!column.notNull && !found.nullable && !found.hasDefault) {
    return [{ subject, sentence: `${subject} must not be null, although it may stay empty` }]
  }
  return []
}

/** A column as `create table` and `add column` take it: name, type, default and constraints, but no foreign key. */
export function definitionOf(table: string, column: PgColumn): SQL {
  return sql.join([
    sql`${sql.identifier(column.name)} ${sql.raw(column.getSQLType())}${defaultOf(column)}`,
    ...(column.notNull ? [sql` not null`] : []),
    ...(column.primary ? [sql` primary key`] : []),
    ...(column.isUnique ? [sql` ${uniqueness(table, column)}`] : [])
  ])
}

function uniqueness(table: string, column: PgColumn): SQL {
  return sql`constraint ${sql.identifier(column.uniqueName ?? `${table}_${column.name}_unique`)} unique`
}

function defaultOf(column: PgColumn): SQL {
  if (column.default === undefined) return sql``
  const text = is(column.default, SQL) ? new PgDialect().sqlToQuery(column.default).sql : String(column.default)
  return sql` default ${sql.raw(text)}`
}
