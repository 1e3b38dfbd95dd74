import { sql } from 'drizzle-orm'
import { getTableConfig, type PgTable } from 'drizzle-orm/pg-core'
import { compareTable, type Difference, definitionOf, tableNames } from './adoption.ts'
import { emptyTable, readCatalog } from './catalog.ts'
import type { GatehouseDb } from './database.ts'
import { PluginTablesError } from './errors.ts'
import { sqlState } from './store-failure-context.ts'

type Queryable = Pick<GatehouseDb, 'execute'>

/** What the database lacks of what plugins add, judged by its own catalog: it is the record of what was applied. */
export async function comparePluginTables(db: Queryable, additions: readonly PgTable[]): Promise<Difference[]> {
  if (additions.length === 0) return []
  const stored = await readCatalog(db, additions.map(nameOf))
  return additions.flatMap((table) => {
    const name = nameOf(table)
    // Their columns in the four tables are missing one by one; those tables come with the migrations.
    return compareTable(table, stored.get(name) ?? (tableNames.includes(name) ? emptyTable() : undefined))
  })
}

/**
 * Adds what plugins lack, inside the caller's transaction and lock; renames, drops and converts nothing. Resolves to
 * what was added, such as `column user.role`. Throws `PLUGIN_TABLES_MISMATCH`.
 */
export async function applyPluginTables(db: Queryable, additions: readonly PgTable[]): Promise<string[]> {
  const missing = await comparePluginTables(db, additions)
  refuse(missing.filter((difference) => !canBeAdded(difference)))
  if (missing.length === 0) return []
  for (const table of additions) {
    if (missing.some(({ addTable }) => addTable === nameOf(table))) await db.execute(createTable(table))
  }
  // Keys between new tables, and indexes, once all of the tables are there.
  for (const { sentence, add } of await comparePluginTables(db, additions)) {
    if (add === undefined) continue
    try {
      await db.execute(add)
    } catch (error) {
      if (sqlState(error)?.startsWith('23') !== true) throw error
      refuse([{ sentence: `${sentence}, and rows that are there stand against adding it` }])
    }
  }
  return [...new Set(missing.map(({ subject }) => subject))]
}

function refuse(obstacles: readonly Pick<Difference, 'sentence'>[]): void {
  if (obstacles.length > 0) throw new PluginTablesError(obstacles.map(({ sentence }) => sentence).join('; '))
}

/** Whether adding something mends it. */
export function canBeAdded({ add, addTable }: Difference): boolean {
  return add !== undefined || addTable !== undefined
}

function createTable(table: PgTable) {
  const { name, columns } = getTableConfig(table)
  const definitions = sql.join(
    columns.map((column) => definitionOf(name, column)),
    sql`, `
  )
  return sql`create table ${sql.identifier(name)} (${definitions})`
}

function nameOf(table: PgTable): string {
  return getTableConfig(table).name
}
