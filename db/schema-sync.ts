import { getTableName, is, SQL, sql } from 'drizzle-orm'
import { getTableConfig, type PgColumn, type PgTable } from 'drizzle-orm/pg-core'
import { z } from 'zod'
import type { GatehouseDb } from './database.ts'
import { sqlState } from './failure-kind.ts'

type Queryable = Pick<GatehouseDb, 'execute'>

/** One way in which the database differs from the tables that are wanted. */
export interface Difference {
  /** What is missing or different, such as `column user.email`. */
  readonly subject: string
  /** Such as `column user.email is missing`. */
  readonly sentence: string
  /** The statement that adds what is missing; undefined where nothing that is added would help. */
  readonly add?: SQL | undefined
  /** The name of the table, where all of it is missing. */
  readonly missingTable?: string
}

// Types that may stand in for the wanted one: they hold its values, and the drivers and `timestamp` read them alike.
const compatibleTypes: Readonly<Record<string, readonly string[]>> = {
  text: ['character varying'],
  integer: ['bigint'],
  jsonb: ['json'],
  'text[]': ['character varying[]'],
  'integer[]': ['bigint[]'],
  serial: ['integer', 'bigint'],
  'timestamp with time zone': ['timestamp without time zone']
}

/**
 * How the database differs from these tables, in the schema that they name. Other tables and columns are not looked at. A table that
 * is described without a primary key is a part of another one: if nothing of it exists, its columns are missing, not a table.
 */
export async function compareTables(db: Queryable, tables: readonly PgTable[]): Promise<Difference[]> {
  if (tables.length === 0) return []
  const stored = await readTables(db, tables)
  return tables.flatMap((table) => compareTable(table, stored.get(getTableName(table))))
}

/**
 * Adds what these tables lack, inside the caller's transaction and lock; renames, drops and converts nothing. Resolves to
 * what was added, such as `column user.role`. Throws what `refusal` makes of the sentences that say why it cannot be done.
 */
export async function addMissing(
  db: Queryable,
  tables: readonly PgTable[],
  refusal: (sentences: string[]) => Error
): Promise<string[]> {
  const missing = await compareTables(db, tables)
  const obstacles = missing.filter(({ add }) => add === undefined)
  if (obstacles.length > 0) throw refusal(obstacles.map(({ sentence }) => sentence))
  if (missing.length === 0) return []
  for (const { add, missingTable } of missing) if (add && missingTable !== undefined) await db.execute(add)
  // A new table gets its indexes and foreign keys now that all the tables exist to which a key may refer.
  for (const { sentence, add } of await compareTables(db, tables)) {
    if (add === undefined) continue
    try {
      await db.execute(add)
    } catch (error) {
      // SQLSTATE class 23: integrity constraint violation.
      if (sqlState(error)?.startsWith('23') !== true) throw error
      throw refusal([`${sentence}, and rows in the table prevent adding it`])
    }
  }
  return subjectsOf(missing)
}

/** What the differences are about, each once. */
export function subjectsOf(differences: readonly Difference[]): string[] {
  return [...new Set(differences.map(({ subject }) => subject))]
}

function compareTable(table: PgTable, found: StoredTable | undefined): Difference[] {
  const { name, columns, indexes, foreignKeys } = getTableConfig(table)
  // A table stands in a statement as its schema and its name.
  const self = sql`${table}`
  const whole = columns.some(({ primary }) => primary)
  if (found === undefined && whole) {
    const definitions = sql.join(
      columns.map((column) => definitionOf(column)),
      sql`, `
    )
    const add = sql`create table ${self} (${definitions})`
    return [{ subject: `table ${name}`, sentence: `table ${name} is missing`, add, missingTable: name }]
  }
  const stored = found ?? { name, columns: {}, primary: [], unique: [], indexed: [], references: {} }
  const differences = columns.flatMap((column) => compareColumn(table, column, stored, whole))
  for (const { config } of indexes) {
    const [column, ...others] = config.columns.map((column) => ('name' in column ? column.name : undefined))
    if (column == null || others.length > 0 || stored.indexed.includes(column)) continue
    const subject = `index on ${name}.${column}`
    const index = sql.identifier(config.name ?? `${name}_${column}_idx`)
    const add = sql`create index ${index} on ${self} (${sql.identifier(column)})`
    differences.push({ subject, sentence: `${subject} is missing`, add })
  }
  for (const key of foreignKeys) {
    const { columns, foreignColumns, foreignTable } = key.reference()
    const [from, to] = [columns[0]?.name ?? '', foreignColumns[0]?.name ?? '']
    const target = getTableName(foreignTable)
    const { onDelete = 'no action' } = key
    const existing = stored.references[from]
    if (existing === `${target}.${to} ${onDelete === 'cascade' ? onDelete : 'other'}`) continue
    const sentence = `${name}.${from} does not reference ${target}.${to} with "on delete ${onDelete}"`
    const add = sql`alter table ${self} add constraint ${sql.identifier(key.getName())}
      foreign key (${sql.identifier(from)}) references ${foreignTable} (${sql.identifier(to)})
      on delete ${sql.raw(onDelete)}`
    differences.push({ subject: `reference ${name}.${from}`, sentence, add: existing === undefined ? add : undefined })
  }
  return differences
}

function compareColumn(table: PgTable, column: PgColumn, stored: StoredTable, whole: boolean): Difference[] {
  const subject = `column ${getTableName(table)}.${column.name}`
  const alter = sql`alter table ${table}`
  const found = stored.columns[column.name]
  // Existing rows would have no value in a required column without a default. One that is added to a table of BetterAuth's
  // may stay empty in the database: BetterAuth asks for its value by itself.
  const needsValue = column.notNull && column.default === undefined
  const mayBeNull = needsValue && !whole
  if (found === undefined) {
    const canBeAdded = !column.primary && (!needsValue || mayBeNull)
    const add = sql`${alter} add column ${definitionOf(column, mayBeNull)}`
    return [{ subject, sentence: `${subject} is missing`, add: canBeAdded ? add : undefined }]
  }
  const differences: Difference[] = []
  const differs = (how: string, add?: SQL) => differences.push({ subject, sentence: `${subject} ${how}`, add })
  const type = column.getSQLType()
  if (found.type !== type && compatibleTypes[type]?.includes(found.type) !== true) {
    differs(`is ${found.type} instead of ${type}`)
  }
  if (column.primary && !stored.primary.includes(column.name)) differs('is not the primary key')
  // Where Postgres makes the ids, nobody else does.
  if (column.primary && type !== 'text' && !found.filled) differs('has no default')
  if (column.isUnique && !stored.unique.includes(column.name)) {
    differs('is not unique', sql`${alter} add ${uniqueConstraint(column)} (${sql.identifier(column.name)})`)
  }
  if (column.notNull && found.nullable && !mayBeNull) {
    differs('may be null', sql`${alter} alter column ${sql.identifier(column.name)} set not null`)
  }
  if (!column.notNull && !found.nullable && !found.filled) differs('must not be null, although it may stay empty')
  return differences
}

/** A column as `create table` and `add column` take it: name, type, default and constraints, but no foreign key. */
function definitionOf(column: PgColumn, mayBeNull = false): SQL {
  const value = is(column.default, SQL) ? column.default : sql.raw(String(column.default))
  return sql.join([
    sql`${sql.identifier(column.name)} ${sql.raw(column.getSQLType())}`,
    ...(column.default === undefined ? [] : [sql` default ${value}`]),
    ...(column.notNull && !mayBeNull ? [sql` not null`] : []),
    ...(column.primary ? [sql` primary key`] : []),
    ...(column.isUnique ? [sql` ${uniqueConstraint(column)}`] : [])
  ])
}

function uniqueConstraint({ uniqueName, name }: PgColumn): SQL {
  return sql`constraint ${sql.identifier(uniqueName ?? `${name}_unique`)} unique`
}

const columnNames = z.array(z.string())

/** A table as Postgres describes it. Of keys and indexes there are only those of one column. */
const storedTable = z.object({
  name: z.string(),
  /** `filled`: a row that does not name the column gets a value. */
  columns: z.record(z.string(), z.object({ type: z.string(), nullable: z.boolean(), filled: z.boolean() })),
  primary: columnNames,
  unique: columnNames,
  /** Columns that lead a usable index of any length. */
  indexed: columnNames,
  /**
   * By column: `table.column cascade`, or `table.column other` for any other action on delete; a table of another schema
   * is named with it.
   */
  references: z.record(z.string(), z.string())
})
type StoredTable = z.infer<typeof storedTable>

const storedTables = z.object({ rows: z.array(storedTable) })

/** Reads what the database says about those of the tables that exist, by name. They are all of one schema. */
async function readTables(db: Queryable, tables: readonly PgTable[]): Promise<Map<string, StoredTable>> {
  const names = sql.join(
    tables.map((table) => sql`(${getTableConfig(table).schema}, ${getTableName(table)})`),
    sql`, `
  )
  const answer = await db.execute(sql`
    select t.relname::text as name, c.*, i.*, f.*
    from pg_class t join pg_namespace n on n.oid = t.relnamespace,
    lateral (
      select coalesce(json_object_agg(a.attname, json_build_object(
          'type', format_type(coalesce(nullif(y.typbasetype, 0), y.oid), null),
          'nullable', not a.attnotnull,
          'filled', a.atthasdef or a.attidentity <> ''
        )), '{}') as columns
      from pg_attribute a join pg_type y on y.oid = a.atttypid
      where a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
    ) c,
    lateral (
      select coalesce(json_agg(a.attname) filter (where x.indisprimary and x.indnkeyatts = 1), '[]') as "primary",
        coalesce(json_agg(a.attname) filter (where x.indisunique and x.indnkeyatts = 1), '[]') as "unique",
        coalesce(json_agg(a.attname), '[]') as indexed
      from pg_index x join pg_attribute a on a.attrelid = t.oid and a.attnum = x.indkey[0]
      where x.indrelid = t.oid and x.indisvalid and x.indpred is null and x.indexprs is null
    ) i,
    lateral (
      select coalesce(json_object_agg(a.attname, concat(
          case when h.oid <> n.oid then concat(h.nspname, '.') end, g.relname, '.', b.attname,
          case k.confdeltype when 'c' then ' cascade' else ' other' end
        )), '{}') as "references"
      from pg_constraint k
      join pg_class g on g.oid = k.confrelid
      join pg_namespace h on h.oid = g.relnamespace
      join pg_attribute a on a.attrelid = t.oid and a.attnum = k.conkey[1]
      join pg_attribute b on b.attrelid = g.oid and b.attnum = k.confkey[1]
      where k.conrelid = t.oid and k.contype = 'f' and cardinality(k.conkey) = 1
    ) f
    where t.relkind in ('r', 'p') and (n.nspname, t.relname) in (${names})`)
  return new Map(storedTables.parse(answer).rows.map((table) => [table.name, table]))
}
