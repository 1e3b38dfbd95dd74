import { type SQL, sql } from 'drizzle-orm'
import { z } from 'zod'
import type { GatehouseDb } from './database.ts'

/** A column as Postgres describes it. */
export interface StoredColumn {
  readonly type: string
  readonly nullable: boolean
  readonly hasDefault: boolean
}

/** A table of the database's current schema as Postgres describes it; only keys and indexes of one column are kept. */
export interface StoredTable {
  readonly columns: Map<string, StoredColumn>
  readonly primaryKeys: Set<string>
  readonly unique: Set<string>
  /** Columns that lead a usable index, unique and primary ones included. */
  readonly indexed: Set<string>
  /** column → `table.column cascade`, or another action in place of cascade. */
  readonly references: Map<string, string>
}

const columnRows = z.array(
  z.object({
    table_name: z.string(),
    column_name: z.string(),
    data_type: z.string(),
    nullable: z.boolean(),
    has_default: z.boolean()
  })
)
const indexRows = z.array(
  z.object({
    table_name: z.string(),
    column_name: z.string(),
    single: z.boolean(),
    is_unique: z.boolean(),
    is_primary: z.boolean()
  })
)
const referenceRows = z.array(z.object({ table_name: z.string(), column_name: z.string(), target: z.string() }))

/** Reads what the database says about those of the named tables that exist. */
export async function readCatalog(
  db: Pick<GatehouseDb, 'execute'>,
  names: readonly string[]
): Promise<Map<string, StoredTable>> {
  const wanted = sql.join(
    names.map((name) => sql`${name}`),
    sql`, `
  )
  const columns = columnRows.parse(
    await rowsOf(
      db,
      sql`select c.table_name::text, c.column_name::text, c.data_type::text,
                 c.is_nullable = 'YES' as nullable,
                 (c.column_default is not null or c.is_identity = 'YES' or c.is_generated = 'ALWAYS') as has_default
          from information_schema.columns c
          where c.table_schema = current_schema() and c.table_name in (${wanted})`
    )
  )
  const indexes = indexRows.parse(
    await rowsOf(
      db,
      sql`select t.relname::text as table_name, a.attname::text as column_name, i.indnkeyatts = 1 as single,
                 i.indisunique as is_unique, i.indisprimary as is_primary
          from pg_index i
          join pg_class t on t.oid = i.indrelid
          join pg_namespace n on n.oid = t.relnamespace
          join pg_attribute a on a.attrelid = t.oid and a.attnum = i.indkey[0]
          where n.nspname = current_schema() and t.relname in (${wanted})
            and i.indisvalid and i.indpred is null and i.indexprs is null`
    )
  )
  const references = referenceRows.parse(
    await rowsOf(
      db,
      sql`select t.relname::text as table_name, a.attname::text as column_name,
                 f.relname || '.' || fa.attname || ' ' ||
                   case c.confdeltype when 'c' then 'cascade' else 'other' end as target
          from pg_constraint c
          join pg_class t on t.oid = c.conrelid
          join pg_namespace n on n.oid = t.relnamespace
          join pg_class f on f.oid = c.confrelid
          join pg_attribute a on a.attrelid = t.oid and a.attnum = c.conkey[1]
          join pg_attribute fa on fa.attrelid = f.oid and fa.attnum = c.confkey[1]
          where n.nspname = current_schema() and t.relname in (${wanted})
            and c.contype = 'f' and cardinality(c.conkey) = 1`
    )
  )

  const tables = new Map<string, StoredTable>()
  for (const { table_name, column_name, data_type, nullable, has_default } of columns) {
    const table = tables.get(table_name) ?? emptyTable()
    table.columns.set(column_name, { type: data_type, nullable, hasDefault: has_default })
    tables.set(table_name, table)
  }
  for (const { table_name, column_name, single, is_unique, is_primary } of indexes) {
    const table = tables.get(table_name)
    table?.indexed.add(column_name)
    if (single && is_unique) table?.unique.add(column_name)
    if (single && is_primary) table?.primaryKeys.add(column_name)
  }
  for (const { table_name, column_name, target } of references) {
    tables.get(table_name)?.references.set(column_name, target)
  }
  return tables
}

/** The rows of a statement, whatever the driver; unparsed. */
export async function rowsOf(db: Pick<GatehouseDb, 'execute'>, statement: SQL): Promise<unknown> {
  const result: unknown = await db.execute(statement)
  return typeof result === 'object' && result !== null && 'rows' in result ? result.rows : result
}

/** A table of which nothing is there. */
export function emptyTable(): StoredTable {
  return {
    columns: new Map(),
    primaryKeys: new Set(),
    unique: new Set(),
    indexed: new Set(),
    references: new Map()
  }
}
