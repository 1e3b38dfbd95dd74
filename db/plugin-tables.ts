import { type Relation, type Relations, relations, type SQL, sql } from 'drizzle-orm'
import {
  type AnyPgColumn,
  bigint,
  boolean,
  index,
  integer,
  jsonb,
  type PgColumnBuilder,
  type PgColumnBuilderBase,
  type PgTable,
  pgTable,
  text,
  type UpdateDeleteAction
} from 'drizzle-orm/pg-core'
import * as schema from './schema.ts'
import { timestamp } from './timestamp.ts'

/** A column that a plugin of BetterAuth wants. */
export interface PluginColumn {
  /** BetterAuth's name; in the database it is the same in snake_case. */
  readonly key: string
  readonly type: 'text' | 'boolean' | 'integer' | 'bigint' | 'instant' | 'json' | 'text[]' | 'integer[]' | 'bigint[]'
  readonly required: boolean
  readonly unique: boolean
  readonly indexed: boolean
  /** What rows have that do not say: a constant in SQL, or `now()`. */
  readonly default: string | undefined
  /** Of another table, by BetterAuth's names. */
  readonly references: PluginReference | undefined
}

export interface PluginReference {
  readonly table: string
  readonly key: string
  readonly onDelete: UpdateDeleteAction
}

/** What plugins add: columns of one of the four tables, or a table of their own, which has a text `id` besides. */
export interface PluginTable {
  /** BetterAuth's name; in the database it is the same in snake_case. */
  readonly key: string
  readonly columns: readonly PluginColumn[]
}

/** The schema with what plugins add to it, and for migrations what they add by itself. */
export interface ExtendedSchema {
  readonly schema: typeof schema
  readonly additions: readonly PgTable[]
}

const ownTables = {
  user: schema.user,
  session: schema.session,
  account: schema.account,
  verification: schema.verification
}

/** A name as it is in the database: `twoFactor` is `two_factor`. */
export function snakeCase(name: string): string {
  return name
    .replace(/([A-Z])([A-Z][a-z])/g, '$1_$2')
    .replace(/([a-z\d])([A-Z])/g, '$1_$2')
    .toLowerCase()
}

/** The schema as it is, or with more tables and columns. Throws when a plugin refers to a table that is not there. */
export function extendSchema(plugins: readonly PluginTable[]): ExtendedSchema {
  if (plugins.length === 0) return { schema, additions: [] }
  const tables: Record<string, PgTable> = { ...ownTables }
  const make = ({ key, columns }: PluginTable, first: Record<string, PgColumnBuilderBase>) => {
    const more = columns.map((column): [string, PgColumnBuilderBase] => [column.key, builderOf(column, tables)])
    const indexed = columns.filter((column) => column.indexed && !column.unique)
    return pgTable(snakeCase(key), { ...first, ...Object.fromEntries(more) }, (table) =>
      indexed.map((column) => index(`${key}_${column.key}_idx`).on(columnOf(table, column.key)))
    )
  }
  const additions = plugins.map((plugin) => {
    if (!isOwn(plugin.key)) {
      const table = make(plugin, { id: text('id').primaryKey() })
      tables[plugin.key] = table
      return table
    }
    tables[plugin.key] = make(plugin, schema.columns[plugin.key]())
    return make(plugin, {})
  })
  // It has all that the type says, and more.
  return { schema: { ...schema, ...tables, ...relationsOf(tables, plugins) } as unknown as typeof schema, additions }
}

function isOwn(key: string): key is keyof typeof ownTables {
  return Object.hasOwn(ownTables, key)
}

function columnOf(table: object | undefined, key: string): AnyPgColumn {
  const column: unknown = table === undefined ? undefined : Reflect.get(table, key)
  if (column === undefined) throw new Error(`a plugin refers to a column ${key} that is not there`)
  return column as AnyPgColumn // a drizzle table has nothing else under the names of its columns
}

function builderOf(column: PluginColumn, tables: Readonly<Record<string, PgTable>>): PgColumnBuilderBase {
  const { references } = column
  // The builders' types differ in what their values are, of which nothing is said here.
  const builder = builderOfType(snakeCase(column.key), column.type) as unknown as PgColumnBuilder
  if (column.default !== undefined) builder.default(sql.raw(column.default) as SQL<never>)
  if (column.required) builder.notNull()
  if (column.unique) builder.unique()
  if (references !== undefined) {
    builder.references(() => columnOf(tables[references.table], references.key), { onDelete: references.onDelete })
  }
  return builder
}

function builderOfType(name: string, type: PluginColumn['type']): PgColumnBuilderBase {
  switch (type) {
    case 'text':
      return text(name)
    case 'boolean':
      return boolean(name)
    case 'integer':
      return integer(name)
    case 'bigint':
      return bigint(name, { mode: 'number' })
    case 'instant':
      return timestamp(name)
    case 'json':
      return jsonb(name)
    case 'text[]':
      return text(name).array()
    case 'integer[]':
      return integer(name).array()
    case 'bigint[]':
      return bigint(name, { mode: 'number' }).array()
  }
}

interface Reference extends PluginReference {
  readonly from: string
  readonly column: string
  readonly unique: boolean
}

const ownReferences = ['session', 'account'].map(
  (from): Reference => ({ from, column: 'userId', unique: false, table: 'user', key: 'id', onDelete: 'cascade' })
)

// Named as BetterAuth's own generator names them: its joined look-ups go along these.
function relationsOf(
  tables: Readonly<Record<string, PgTable>>,
  plugins: readonly PluginTable[]
): Record<string, Relations> {
  const all = ownReferences.concat(
    plugins.flatMap(({ key, columns }) =>
      columns.flatMap(({ key: column, unique, references }) =>
        references === undefined ? [] : [{ from: key, column, unique, ...references }]
      )
    )
  )
  const made: Record<string, Relations> = {}
  for (const [key, table] of Object.entries(tables)) {
    const outward = all.filter(({ from }) => from === key)
    const inward = all.filter((reference) => reference.table === key)
    made[`${key}Relations`] = relations(table, ({ one, many }) => {
      const named: Record<string, Relation> = {}
      for (const reference of outward) {
        const target = tables[reference.table]
        if (target === undefined) continue
        named[nameOf(reference, outward, reference.table)] = one(target, {
          fields: [columnOf(table, reference.column)],
          references: [columnOf(target, reference.key)],
          relationName: pairOf(reference)
        })
      }
      for (const reference of inward) {
        const source = tables[reference.from]
        if (source === undefined) continue
        const relationName = pairOf(reference)
        if (reference.unique) {
          const [fields, references] = [columnOf(table, reference.key), columnOf(source, reference.column)]
          named[reference.from] = one(source, { fields: [fields], references: [references], relationName })
        } else named[nameOf(reference, inward, `${reference.from}s`)] = many(source, { relationName })
      }
      return named
    })
  }
  return made
}

function pairOf({ from, column }: Reference): string {
  return `${from}.${column}`
}

// The first of several between the same two tables keeps the plain name.
function nameOf(reference: Reference, among: readonly Reference[], plain: string): string {
  const first = among.find(({ from, table }) => from === reference.from && table === reference.table)
  return first === reference
    ? plain
    : `${plain}By${reference.column.charAt(0).toUpperCase()}${reference.column.slice(1)}`
}
