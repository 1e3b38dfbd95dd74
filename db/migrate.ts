import { fileURLToPath } from 'node:url'
import { sql } from 'drizzle-orm'
import { readMigrationFiles } from 'drizzle-orm/migrator'
import { z } from 'zod'
import { compareTables, type Difference } from './adoption.ts'
import { rowsOf } from './catalog.ts'
import type { Database, GatehouseDb } from './database.ts'
import { AdoptionMismatchError, AdoptionRequiredError, MigrationsPendingError } from './errors.ts'
import journal from './migrations/meta/_journal.json' with { type: 'json' }
import { applyPluginTables, canBeAdded, comparePluginTables } from './plugin-migration.ts'
import { sqlState } from './store-failure-context.ts'

/** What stands between the database and this version. */
export interface MigrationState {
  /** Names of the migrations that were not applied, in their order, and what plugins lack, such as `column user.role`. */
  pending: string[]
  /** The tables are there, made by somebody else, and differ at most in what can be added. */
  adoptable: boolean
  /** How tables that somebody else made differ, in sentences; empty when these migrations made them. */
  differences: string[]
  /** What plugins need and adding cannot give them, in sentences. */
  obstacles: string[]
}

type Queryable = Pick<GatehouseDb, 'execute'>

interface Migration {
  readonly name: string
  readonly statements: readonly string[]
  readonly hash: string
  readonly madeAt: number
}

// Drizzle's own table, so that its tools understand the database too.
const bookkeeping = sql`drizzle.__drizzle_migrations`
// Any number will do, as long as it stays the same: every process that migrates asks for this lock.
const lockKey = 4_707_283_516

/** Looks without changing anything, over the pool. Rejects when the database cannot answer. */
export async function inspectMigrations(database: Database): Promise<MigrationState> {
  const { pending, recorded } = await readState(database.db)
  const lacking = await comparePluginTables(database.db, database.additions)
  const state = {
    pending: [...pending.map(({ name }) => name), ...subjectsOf(lacking)],
    obstacles: lacking.filter((difference) => !canBeAdded(difference)).map(({ sentence }) => sentence)
  }
  if (recorded) return { ...state, adoptable: false, differences: [] }
  const { existing, differences } = await compareTables(database.db)
  const foreign = existing.length > 0
  return {
    ...state,
    adoptable: foreign && differences.every(canBeAdded),
    differences: foreign ? differences.map(({ sentence }) => sentence) : []
  }
}

/** Throws `MIGRATIONS_PENDING` unless every migration of this version, and of the plugins, was applied. */
export async function requireMigrated(database: Database): Promise<void> {
  const { pending } = await readState(database.db)
  const lacking = await comparePluginTables(database.db, database.additions)
  const names = [...pending.map(({ name }) => name), ...subjectsOf(lacking)]
  if (names.length > 0) throw new MigrationsPendingError(names.join(', '))
}

/**
 * Applies what is pending, plugins' tables and columns last, in one transaction under a lock of the database's: safe to
 * run from several processes at once, and again. With `adopt`, tables that BetterAuth made get what they lack and count
 * as migrated. Throws `ADOPTION_REQUIRED`, `ADOPTION_MISMATCH`, `PLUGIN_TABLES_MISMATCH`, `POOLED_CONNECTION`, and
 * changes nothing then.
 */
export async function migrate(database: Database, options: { adopt?: boolean } = {}): Promise<{ applied: string[] }> {
  return await database.withDirectClient(({ db }) =>
    db.transaction(async (tx) => {
      await tx.execute(sql`select pg_advisory_xact_lock(${sql.raw(String(lockKey))})`)
      const { pending, recorded } = await readState(tx)
      if (pending.length > 0) await applyPending(tx, pending, recorded, options.adopt === true)
      const added = await applyPluginTables(tx, database.additions)
      return { applied: [...pending.map(({ name }) => name), ...added] }
    })
  )
}

async function applyPending(
  tx: Queryable,
  pending: readonly Migration[],
  recorded: boolean,
  adopt: boolean
): Promise<void> {
  await tx.execute(sql`create schema if not exists drizzle`)
  await tx.execute(
    sql`create table if not exists ${bookkeeping} (id serial primary key, hash text not null, created_at bigint)`
  )
  const adopted = recorded ? undefined : await adoptTables(tx, pending, adopt)
  for (const migration of pending) {
    if (migration !== adopted) await apply(tx, migration)
    await tx.execute(sql`insert into ${bookkeeping} (hash, created_at) values (${migration.hash}, ${migration.madeAt})`)
  }
}

async function apply(db: Queryable, migration: Migration): Promise<void> {
  for (const statement of migration.statements) await db.execute(sql.raw(statement))
}

// The first migration makes the four tables; tables that are there already stand in for it.
async function adoptTables(
  db: Queryable,
  pending: readonly Migration[],
  adopt: boolean
): Promise<Migration | undefined> {
  const { existing, differences } = await compareTables(db)
  if (existing.length === 0) return undefined
  if (!adopt) throw new AdoptionRequiredError(existing.join(', '))
  const obstacles = differences.filter((difference) => !canBeAdded(difference))
  if (obstacles.length > 0) throw new AdoptionMismatchError(obstacles.map(({ sentence }) => sentence))
  const [first] = pending
  const missing = differences.flatMap(({ addTable }) => addTable ?? [])
  for (const statement of first?.statements ?? []) {
    if (missing.includes(subjectOf(statement))) await db.execute(sql.raw(statement))
  }
  for (const { sentence, add } of differences) {
    if (add === undefined) continue
    try {
      await db.execute(add)
    } catch (error) {
      if (sqlState(error)?.startsWith('23') !== true) throw error
      throw new AdoptionMismatchError([`${sentence}, and rows that are there stand against adding it`])
    }
  }
  return first
}

function subjectOf(statement: string): string {
  return /^\s*(?:CREATE TABLE|ALTER TABLE|CREATE (?:UNIQUE )?INDEX "[^"]+" ON) "([^"]+)"/.exec(statement)?.[1] ?? ''
}

function subjectsOf(differences: readonly Difference[]): string[] {
  return [...new Set(differences.map(({ subject }) => subject))]
}

async function readState(db: Queryable): Promise<{ pending: Migration[]; recorded: boolean }> {
  const migrations = readMigrations()
  const [table] = exists.parse(
    await rowsOf(db, sql`select to_regclass('drizzle.__drizzle_migrations') is not null as found`)
  )
  if (table?.found !== true) return { pending: migrations, recorded: false }
  const [last] = latest.parse(await rowsOf(db, sql`select max(created_at)::text as at from ${bookkeeping}`))
  if (last?.at == null) return { pending: migrations, recorded: false }
  const appliedUntil = Number(last.at)
  return { pending: migrations.filter(({ madeAt }) => madeAt > appliedUntil), recorded: true }
}

const exists = z.array(z.object({ found: z.boolean() }))
const latest = z.array(z.object({ at: z.string().nullable() }))

function readMigrations(): Migration[] {
  const migrationsFolder = fileURLToPath(new URL('migrations', import.meta.url))
  return readMigrationFiles({ migrationsFolder }).map(({ sql: statements, hash, folderMillis }) => ({
    name: journal.entries.find(({ when }) => when === folderMillis)?.tag ?? String(folderMillis),
    statements,
    hash,
    madeAt: folderMillis
  }))
}
