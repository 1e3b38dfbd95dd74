import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type SQL, sql } from 'drizzle-orm'
import { z } from 'zod'
import type { GatehouseDb } from './database.ts'
import journal from './migrations/meta/_journal.json' with { type: 'json' }
import { defaultSchemaName, type TablePlace } from './schema.ts'

export type Queryable = Pick<GatehouseDb, 'execute'>

/** One committed file of `db/migrations`. */
export interface Migration {
  /** Its file's name, such as `0001_session_events`. */
  readonly tag: string
  /** The SHA-256 of its text, in hex: by this it is found again among those that were applied. */
  readonly hash: string
  readonly text: string
}

/** What was applied to a schema, and what was not. */
export interface MigrationRecord {
  readonly pending: readonly Migration[]
  /** Applied, and recorded only where Drizzle's tools record migrations. */
  readonly carriedOver: readonly Migration[]
  /** Whether anything was applied. */
  readonly recorded: boolean
  /** Whether the schema has a table of applied migrations. */
  readonly hasTable: boolean
}

// What these files said when they were applied to databases that are in use. They differ in nothing that matters to a
// database with text ids in `public`: names without their schema, and a channel whose name was not computed.
const formerHashes: Readonly<Record<string, string>> = {
  '0000_betterauth_tables': 'ea8697092d5bbf8494aebd5863b5ff2196dc47a4c984420c8e80e9f28c07d527',
  '0003_queue_nearly_full': 'd9f63e46bb8a4b9f44f7a54eb1ac8575e53871ba0e52f52f2df79fb73d856695'
}

const tableName = 'gatehouse_migrations'
const tableOf = (schemaName: string) => sql`${sql.identifier(schemaName)}.${sql.identifier(tableName)}`

function readMigrations(): Migration[] {
  return journal.entries.map(({ tag }) => {
    const text = readFileSync(new URL(`migrations/${tag}.sql`, import.meta.url), 'utf8').replaceAll('\r\n', '\n')
    return { tag, text, hash: createHash('sha256').update(text).digest('hex') }
  })
}

/**
 * Reads what was applied to a schema; changes nothing. Whatever else is in the database does not count: other schemas'
 * records, and those of other applications that use Drizzle.
 */
export async function readRecord(db: Queryable, schemaName: string): Promise<MigrationRecord> {
  const migrations = readMigrations()
  const own = await exists(
    db,
    sql`select from pg_catalog.pg_tables where schemaname = ${schemaName} and tablename = ${tableName}`
  )
  const hashes = own
    ? await texts(db, sql`select hash as value from ${tableOf(schemaName)}`)
    : await formerRecord(db, schemaName)
  const applied = (migration: Migration) =>
    hashes.some((hash) => hash === migration.hash || hash === formerHashes[migration.tag])
  const known = migrations.filter(applied)
  return {
    pending: migrations.filter((migration) => !known.includes(migration)),
    carriedOver: own ? [] : known,
    recorded: known.length > 0,
    hasTable: own
  }
}

/**
 * The hashes in the table of Drizzle's own tools, where migrations were recorded before they had a table of their own,
 * all of them in `public`. Other applications' are among them, and it may be theirs alone and not ours to read.
 */
async function formerRecord(db: Queryable, schemaName: string): Promise<string[]> {
  if (schemaName !== defaultSchemaName) return []
  const readable = await exists(
    db,
    sql`select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where n.nspname = 'drizzle' and c.relname = '__drizzle_migrations'
        and has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select')`
  )
  return readable ? await texts(db, sql`select hash as value from drizzle.__drizzle_migrations`) : []
}

/** The other schemas of the database in which a gateway keeps its sessions. */
export async function otherSchemas(db: Queryable, schemaName: string): Promise<string[]> {
  return await texts(
    db,
    sql`select n.nspname::text as value from pg_catalog.pg_trigger g
      join pg_catalog.pg_class c on c.oid = g.tgrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where g.tgname = 'gatehouse_session_changed' and c.relname = 'session' and n.nspname <> ${schemaName} order by 1`
  )
}

/** Makes the schema where it is missing: that needs a permission which making tables in it does not. */
export async function makeSchema(db: Queryable, schemaName: string): Promise<void> {
  if (await exists(db, sql`select from pg_catalog.pg_namespace where nspname = ${schemaName}`)) return
  await db.execute(sql`create schema ${sql.identifier(schemaName)}`)
}

export async function mayMakeTables(db: Queryable, schemaName: string): Promise<boolean> {
  return await exists(db, sql`select where has_schema_privilege(${schemaName}, 'create')`)
}

/** Records all migrations as applied. Whoever may use the schema may read them: a gateway's user need not be the one that migrates. */
export async function record(
  db: Queryable,
  schemaName: string,
  { pending, carriedOver, hasTable }: MigrationRecord
): Promise<void> {
  const table = tableOf(schemaName)
  if (!hasTable) {
    await db.execute(
      sql`create table ${table}
        (hash text primary key, name text not null, applied_at timestamp with time zone not null default now())`
    )
    await db.execute(sql`grant select on ${table} to public`)
  }
  for (const { hash, tag } of [...carriedOver, ...pending])
    await db.execute(sql`insert into ${table} (hash, name) values (${hash}, ${tag}) on conflict do nothing`)
}

/** The statements of a migration for tables in this place. The files are written for text ids in `public`. */
export function statementsOf({ text }: Migration, { schemaName, ids }: TablePlace): SQL[] {
  const inPlace = text.replaceAll('"public"', () => `"${schemaName.replaceAll('"', '""')}"`)
  const [id, reference] = idTypes[ids]
  return inPlace
    .replaceAll('"id" text PRIMARY KEY', `"id" ${id} PRIMARY KEY`)
    .replaceAll('"user_id" text', `"user_id" ${reference}`)
    .split('--> statement-breakpoint')
    .map((statement) => sql.raw(statement))
}

const idTypes: Readonly<Record<TablePlace['ids'], readonly [id: string, reference: string]>> = {
  text: ['text', 'text'],
  uuid: ['uuid DEFAULT gen_random_uuid()', 'uuid'],
  serial: ['serial', 'integer']
}

const textRows = z.object({ rows: z.array(z.object({ value: z.string() })) })

/** The column `value` of what is selected. */
export async function texts(db: Queryable, statement: SQL): Promise<string[]> {
  return textRows.parse(await db.execute(statement)).rows.map(({ value }) => value)
}

async function exists(db: Queryable, select: SQL): Promise<boolean> {
  return (await texts(db, sql`select 'yes' as value where exists (${select})`)).length > 0
}
