import { getTableName, sql } from 'drizzle-orm'
import type { Database } from './database.ts'
import {
  AdoptionMismatchError,
  AdoptionRequiredError,
  IdKindError,
  MigrationsPendingError,
  PluginTablesError,
  SchemaChangedError
} from './database-errors.ts'
import {
  type MigrationRecord,
  makeSchema,
  mayMakeTables,
  otherSchemas,
  type Queryable,
  readRecord,
  record,
  statementsOf,
  texts
} from './migration-record.ts'
import { type IdKind, tablesIn } from './schema.ts'
import { addMissing, compareTables, type Difference, subjectsOf } from './schema-sync.ts'

/** What stands between the database and this version. */
export interface MigrationState {
  /** Names of the migrations that were not applied, in their order, and what plugins lack, such as `column user.role`. */
  pending: string[]
  /** There are tables that these migrations did not make, and all that they lack can be added. */
  adoptable: boolean
  /** How tables that these migrations did not make differ from those that they make, in sentences. */
  differences: string[]
  /** What plugins and the policy file need and what cannot be added, in sentences. */
  obstacles: string[]
  /** The other schemas in which gateways keep their tables, where this one has none: it may be the wrong one. */
  elsewhere: string[]
}

// Any number will do, as long as it stays the same: every process that migrates asks for this lock.
const lockKey = sql.raw('4707283516')

/** Reads the state over the pool; changes nothing. Rejects when the database cannot answer, and with `ID_KIND_MISMATCH`. */
export async function inspectMigrations(database: Database): Promise<MigrationState> {
  const { db, additions } = database
  const migrations = await readRecord(db, database.schemaName)
  const { pending, recorded } = migrations
  if (recorded) await requireIdKind(db, database)
  const lacking = await compareTables(db, additions)
  const { existing, differences } = recorded ? { existing: [], differences: [] } : await compareOwnTables(db, database)
  const foreign = existing.length > 0
  return {
    pending: [...pending.map(({ tag }) => tag), ...subjectsOf(lacking)],
    adoptable: foreign && differences.every(({ add }) => add !== undefined),
    differences: foreign ? differences.map(({ sentence }) => sentence) : [],
    obstacles: lacking.flatMap(({ add, sentence }) => (add === undefined ? [sentence] : [])),
    elsewhere: await schemasInstead(db, database, migrations)
  }
}

/**
 * Throws `MIGRATIONS_PENDING` unless every migration of this version, and of the plugins, was applied; `SCHEMA_CHANGED`
 * where that is because the tables are in another schema; `ID_KIND_MISMATCH`.
 */
export async function requireMigrated(database: Database): Promise<void> {
  const { pending, elsewhere } = await inspectMigrations(database)
  if (elsewhere.length > 0) throw new SchemaChangedError(elsewhere.join(', '), database.schemaName)
  if (pending.length > 0) throw new MigrationsPendingError(pending.join(', '))
}

/**
 * Applies what is pending, plugins' tables and columns last, in one transaction under an advisory lock: safe to run from
 * several processes at once, and again. With `adopt`, tables that BetterAuth made get what they lack and count as
 * migrated; with `beside`, a schema may be begun in a database where another gateway has its tables in another one.
 * Throws `ADOPTION_REQUIRED`, `ADOPTION_MISMATCH`, `PLUGIN_TABLES_MISMATCH`, `ID_KIND_MISMATCH`, `SCHEMA_CHANGED`,
 * `POOLED_CONNECTION`, and changes nothing then.
 */
export async function migrate(
  database: Database,
  { adopt = false, beside = false }: { adopt?: boolean; beside?: boolean } = {}
): Promise<{ applied: string[] }> {
  const { schemaName, additions } = database
  return await database.withDirectClient(({ db }) =>
    db.transaction(async (tx) => {
      await tx.execute(sql`select pg_advisory_xact_lock(${lockKey})`)
      const migrations = await readRecord(tx, schemaName)
      const elsewhere = beside ? [] : await schemasInstead(tx, database, migrations)
      if (elsewhere.length > 0) throw new SchemaChangedError(elsewhere.join(', '), schemaName)
      const { pending, carriedOver, recorded } = migrations
      const adopted = !recorded && (await adoptTables(tx, database, adopt))
      if (recorded) await requireIdKind(tx, database)
      if (pending.length > 0) await makeSchema(tx, schemaName)
      for (const migration of pending) {
        // The first migration makes the four tables. Where these were adopted, it is only recorded.
        if (adopted && migration === pending[0]) continue
        for (const statement of statementsOf(migration, database)) await tx.execute(statement)
      }
      // Where there is nothing to apply, somebody who may not make tables has no need to.
      const carries = carriedOver.length > 0 && (await mayMakeTables(tx, schemaName))
      if (pending.length > 0 || carries) await record(tx, schemaName, migrations)
      const added = await addMissing(tx, additions, (sentences) => new PluginTablesError(sentences.join('; ')))
      return { applied: [...pending.map(({ tag }) => tag), ...added] }
    })
  )
}

/** Adds what the existing tables lack, which these migrations did not make. Resolves to false when none exist. */
async function adoptTables(db: Queryable, database: Database, allowed: boolean): Promise<boolean> {
  const { existing } = await compareOwnTables(db, database)
  if (existing.length === 0) return false
  if (!allowed) throw new AdoptionRequiredError(existing.join(', '))
  if (database.ids !== 'text') await requireIdKind(db, database)
  await addMissing(db, ownTables(database), (sentences) => new AdoptionMismatchError(sentences))
  return true
}

/** Which of the four tables exist, and how all of them differ from what is wanted. */
async function compareOwnTables(
  db: Queryable,
  database: Database
): Promise<{ existing: string[]; differences: Difference[] }> {
  const tables = ownTables(database)
  const differences = await compareTables(db, tables)
  const missing = differences.map(({ missingTable }) => missingTable)
  return { existing: tables.map(getTableName).filter((name) => !missing.includes(name)), differences }
}

/** The four tables without what is added to them. */
function ownTables(database: Database) {
  return Object.values(tablesIn(database))
}

/**
 * The other schemas of gateways where this one has nothing yet. Going on there would mean going on without any user: a
 * gateway whose DATABASE_SCHEMA was changed has to be told from one that is new.
 */
async function schemasInstead(
  db: Queryable,
  { schemaName }: Database,
  { recorded }: MigrationRecord
): Promise<string[]> {
  return recorded ? [] : await otherSchemas(db, schemaName)
}

const kindOfType: Readonly<Record<string, IdKind>> = {
  text: 'text',
  'character varying': 'text',
  uuid: 'uuid',
  integer: 'serial',
  bigint: 'serial'
}

/** Throws `ID_KIND_MISMATCH` where the ids in the database are of another kind than those that are wanted. */
async function requireIdKind(db: Queryable, { schemaName, ids }: Database): Promise<void> {
  const [type] = await texts(
    db,
    sql`select format_type(coalesce(nullif(y.typbasetype, 0), y.oid), null) as value
      from pg_catalog.pg_attribute a join pg_catalog.pg_type y on y.oid = a.atttypid
      join pg_catalog.pg_class c on c.oid = a.attrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where n.nspname = ${schemaName} and c.relname = 'user' and a.attname = 'id' and not a.attisdropped`
  )
  const found = kindOfType[type ?? '']
  if (type !== undefined && found !== undefined && found !== ids) throw new IdKindError(type, ids)
}
