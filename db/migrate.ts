import { fileURLToPath } from 'node:url'
import { getTableName, type SQL, sql } from 'drizzle-orm'
import { type MigrationMeta, readMigrationFiles } from 'drizzle-orm/migrator'
import { z } from 'zod'
import type { Database, GatehouseDb } from './database.ts'
import {
  AdoptionMismatchError,
  AdoptionRequiredError,
  MigrationsPendingError,
  PluginTablesError
} from './database-errors.ts'
import journal from './migrations/meta/_journal.json' with { type: 'json' }
import { account, session, user, verification } from './schema.ts'
import { addMissing, compareTables, type Difference, subjectsOf } from './schema-sync.ts'

/** What stands between the database and this version. */
export interface MigrationState {
  /** Names of the migrations that were not applied, in their order, and what plugins lack, such as `column user.role`. */
  pending: string[]
  /** There are tables that these migrations did not make, and all that they lack can be added. */
  adoptable: boolean
  /** How tables that these migrations did not make differ from those that they make, in sentences. */
  differences: string[]
  /** What plugins need and what cannot be added, in sentences. */
  obstacles: string[]
}

type Queryable = Pick<GatehouseDb, 'execute'>

const tables = [user, session, account, verification]
// Where Drizzle's own tools record migrations, so that they can be used on the same database.
const bookkeeping = sql`drizzle.__drizzle_migrations`
// Any number will do, as long as it stays the same: every process that migrates asks for this lock.
const lockKey = sql.raw('4707283516')

/** Reads the state over the pool; changes nothing. Rejects when the database cannot answer. */
export async function inspectMigrations({ db, additions }: Database): Promise<MigrationState> {
  const { pending, recorded } = await readState(db)
  const lacking = await compareTables(db, additions)
  const { existing, differences } = recorded ? { existing: [], differences: [] } : await compareOwnTables(db)
  const foreign = existing.length > 0
  return {
    pending: [...pending.map(nameOf), ...subjectsOf(lacking)],
    adoptable: foreign && differences.every(({ add }) => add !== undefined),
    differences: foreign ? differences.map(({ sentence }) => sentence) : [],
    obstacles: lacking.flatMap(({ add, sentence }) => (add === undefined ? [sentence] : []))
  }
}

/** Throws `MIGRATIONS_PENDING` unless every migration of this version, and of the plugins, was applied. */
export async function requireMigrated(database: Database): Promise<void> {
  const { pending } = await inspectMigrations(database)
  if (pending.length > 0) throw new MigrationsPendingError(pending.join(', '))
}

/**
 * Applies what is pending, plugins' tables and columns last, in one transaction under an advisory lock: safe to run from
 * several processes at once, and again. With `adopt`, tables that BetterAuth made get what they lack and count as
 * migrated. Throws `ADOPTION_REQUIRED`, `ADOPTION_MISMATCH`, `PLUGIN_TABLES_MISMATCH`, `POOLED_CONNECTION`, and changes
 * nothing then.
 */
export async function migrate(database: Database, options: { adopt?: boolean } = {}): Promise<{ applied: string[] }> {
  return await database.withDirectClient(({ db }) =>
    db.transaction(async (tx) => {
      await tx.execute(sql`select pg_advisory_xact_lock(${lockKey})`)
      const { pending, recorded } = await readState(tx)
      const adopted = !recorded && (await adoptTables(tx, options.adopt === true))
      if (pending.length > 0) await apply(tx, pending, adopted)
      const added = await addMissing(tx, database.additions, (sentences) => new PluginTablesError(sentences.join('; ')))
      return { applied: [...pending.map(nameOf), ...added] }
    })
  )
}

async function apply(tx: Queryable, pending: readonly MigrationMeta[], adopted: boolean): Promise<void> {
  await tx.execute(sql`create schema if not exists drizzle`)
  await tx.execute(
    sql`create table if not exists ${bookkeeping} (id serial primary key, hash text not null, created_at bigint)`
  )
  for (const [index, { sql: statements, hash, folderMillis }] of pending.entries()) {
    // The first migration makes the four tables. Where these were adopted, it is only recorded.
    for (const statement of adopted && index === 0 ? [] : statements) await tx.execute(sql.raw(statement))
    await tx.execute(sql`insert into ${bookkeeping} (hash, created_at) values (${hash}, ${folderMillis})`)
  }
}

/** Adds what the existing tables lack, which these migrations did not make. Resolves to false when none exist. */
async function adoptTables(db: Queryable, allowed: boolean): Promise<boolean> {
  const { existing } = await compareOwnTables(db)
  if (existing.length === 0) return false
  if (!allowed) throw new AdoptionRequiredError(existing.join(', '))
  await addMissing(db, tables, (sentences) => new AdoptionMismatchError(sentences))
  return true
}

/** Which of the four tables exist, and how all of them differ from what is wanted. */
async function compareOwnTables(db: Queryable): Promise<{ existing: string[]; differences: Difference[] }> {
  const differences = await compareTables(db, tables)
  const missing = differences.map(({ missingTable }) => missingTable)
  return { existing: tables.map(getTableName).filter((name) => !missing.includes(name)), differences }
}

/** What was not applied, and whether anything is recorded as applied. */
async function readState(db: Queryable): Promise<{ pending: MigrationMeta[]; recorded: boolean }> {
  const table = await readText(db, sql`select to_regclass('drizzle.__drizzle_migrations')::text as value`)
  const last = table && (await readText(db, sql`select max(created_at)::text as value from ${bookkeeping}`))
  const migrations = readMigrationFiles({ migrationsFolder: fileURLToPath(new URL('migrations', import.meta.url)) })
  return { pending: migrations.filter(({ folderMillis }) => folderMillis > Number(last)), recorded: last !== null }
}

const oneText = z.object({ rows: z.tuple([z.object({ value: z.string().nullable() })]) })

async function readText(db: Queryable, statement: SQL): Promise<string | null> {
  return oneText.parse(await db.execute(statement)).rows[0].value
}

function nameOf({ folderMillis }: MigrationMeta): string {
  return journal.entries.find(({ when }) => when === folderMillis)?.tag ?? String(folderMillis)
}
