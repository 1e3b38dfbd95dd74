import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { DirectClient } from '../db/database.ts'
import { migrate } from '../db/migrate.ts'
import { openDatabase } from '../db/open-database.ts'

const page = fileURLToPath(new URL('data-model.md', import.meta.url))

/** What a migrated database holds, as the rows of the page's tables without their last column. */
export interface DataModel {
  /** By the table's name, a row for each column. */
  readonly columns: ReadonlyMap<string, readonly (readonly string[])[]>
  readonly tables: readonly (readonly string[])[]
  readonly indexes: readonly (readonly string[])[]
  readonly triggers: readonly (readonly string[])[]
}

async function rowsOf(client: Pick<DirectClient, 'query'>, sql: string): Promise<string[][]> {
  const { rows } = await client.query(sql)
  return rows.map((row) => Object.values(row).map(String))
}

// What was made by the migrations: all that is neither Postgres' own nor an extension's.
const ours = `n.nspname not in ('pg_catalog', 'information_schema') and n.nspname not like 'pg\\_%'`

/** Reads it from a database that was migrated. */
export async function readDataModel(client: Pick<DirectClient, 'query'>): Promise<DataModel> {
  const tables = await rowsOf(
    client,
    `select n.nspname || '.' || c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and ${ours} order by n.nspname desc, c.relname`
  )
  const columns = await rowsOf(
    client,
    `select c.relname as "table", '\`' || a.attname || '\`' as name, format_type(a.atttypid, a.atttypmod) as type,
      concat_ws(', ', case when a.attnotnull then 'not null' end,
        case when d.adbin is not null then 'default \`' || pg_get_expr(d.adbin, d.adrelid) || '\`' end,
        (select string_agg(case k.contype when 'p' then 'primary key' when 'u' then 'unique'
          else 'references \`' || replace(k.confrelid::regclass::text, '"', '') || '\`' ||
            case k.confdeltype when 'c' then ', deleted with it' else '' end end, ', ' order by k.contype desc)
          from pg_constraint k where k.conrelid = c.oid and k.conkey = array[a.attnum] and k.contype in ('p', 'u', 'f'))
      ) as rules
    from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
    left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
    where c.relkind in ('r', 'p') and ${ours} and a.attnum > 0 and not a.attisdropped
    order by c.relname, a.attnum`
  )
  const byTable = new Map<string, string[][]>()
  for (const [table = '', ...row] of columns) byTable.set(table, [...(byTable.get(table) ?? []), row])
  const indexes = await rowsOf(
    client,
    `select '\`' || i.relname || '\`' as name, '\`' || c.relname || '\`' as "table",
      case when x.indisunique then 'unique ' else '' end ||
        (select string_agg(pg_get_indexdef(i.oid, k, true), ', ' order by k) from generate_series(1, x.indnkeyatts) k) as columns
    from pg_index x join pg_class i on i.oid = x.indexrelid join pg_class c on c.oid = x.indrelid
    join pg_namespace n on n.oid = c.relnamespace
    where ${ours} order by c.relname, i.relname`
  )
  const triggers = await rowsOf(
    client,
    `select '\`' || t.tgname || '\`' as name, '\`' || c.relname || '\`' as "table",
      concat_ws(', ', case when t.tgtype & 16 > 0 then 'update' end, case when t.tgtype & 8 > 0 then 'delete' end,
        case when t.tgtype & 4 > 0 then 'insert' end, case when t.tgtype & 32 > 0 then 'truncate' end) as events,
      '\`' || p.proname || '\`' as function
    from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
    join pg_proc p on p.oid = t.tgfoid
    where not t.tgisinternal and ${ours} order by c.relname, t.tgname`
  )
  return { columns: byTable, tables: tables.map(([name = '']) => [`\`${name}\``]), indexes, triggers }
}

const heads = {
  tables: ['table', 'holds'],
  columns: ['column', 'type', 'rules', 'meaning'],
  indexes: ['index', 'table', 'columns', 'for'],
  triggers: ['trigger', 'table', 'after', 'calls', 'for']
} as const

/**
 * `docs/data-model.md` with a row for each table, column, index and trigger. What they are for, the last column, stays as
 * it is written; a new row has none yet.
 */
export function withDataModel(text: string, model: DataModel): string {
  return text.replaceAll(
    /^<!-- (tables|indexes|triggers|columns of (\w+)) -->\n((?:\|.*\n)*)/gm,
    (_, what: string, table: string | undefined, old: string) => {
      const [kind = ''] = what.split(' ')
      const rows =
        table === undefined ? model[kind as 'tables' | 'indexes' | 'triggers'] : (model.columns.get(table) ?? []) // the pattern names no other
      const meanings = new Map(
        [...old.matchAll(/^\| (`[^`]+`) \|(?:[^|\n]*\|)*?([^|\n]*)\|$/gm)].map(([, name, meaning = '']) => [
          name,
          meaning.trim()
        ])
      )
      const head = heads[kind as keyof typeof heads]
      const lines = rows.map(([name = '', ...more]) => `| ${[name, ...more, meanings.get(name) ?? ''].join(' | ')} |`)
      return [`<!-- ${what} -->`, `| ${head.join(' | ')} |`, `|${' --- |'.repeat(head.length)}`, ...lines, ''].join(
        '\n'
      )
    }
  )
}

/** Reads it from an embedded database that is made for that alone. */
export async function embeddedDataModel(): Promise<DataModel> {
  const dataDir = await mkdtemp(join(tmpdir(), 'gatehouse-data-model-'))
  const database = await openDatabase({ driver: 'pglite', dataDir })
  try {
    await migrate(database)
    return await database.withDirectClient(readDataModel)
  } finally {
    await database.close()
    await rm(dataDir, { recursive: true, force: true })
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await writeFile(page, withDataModel(await readFile(page, 'utf8'), await embeddedDataModel()))
  process.exit()
}
