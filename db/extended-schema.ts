import type { DBFieldAttribute } from 'better-auth/db'
import { getTableName, type Relation, type Relations, relations, type SQL, sql } from 'drizzle-orm'
import {
  type AnyPgColumn,
  bigint,
  boolean,
  getTableConfig,
  index,
  integer,
  jsonb,
  type PgColumnBuilder,
  type PgColumnBuilderBase,
  PgSchema,
  type PgTable,
  text
} from 'drizzle-orm/pg-core'
import {
  columnsOf,
  defaultSchemaName,
  type IdKind,
  idColumn,
  referenceColumn,
  type TablePlace,
  type Tables,
  tablesIn,
  timestamp
} from './schema.ts'
import { snakeCase } from './snake-case.ts'

/** A column that a plugin of BetterAuth or the policy file wants, as it is described there. */
export interface PluginColumn extends Omit<DBFieldAttribute, 'fieldName'> {
  /** BetterAuth's name; in the database it is the same in snake_case. */
  readonly key: string
}

/** What plugins and the policy file add: columns of one of the four tables, or a table of their own, which has an `id` besides. */
export interface PluginTable {
  /** BetterAuth's name; in the database it is the same in snake_case. */
  readonly key: string
  readonly columns: readonly PluginColumn[]
}

/** The schema with what is added to it, and the additions alone, which migrations need. */
export interface ExtendedSchema extends TablePlace {
  readonly schema: Tables
  readonly additions: readonly PgTable[]
}

/** The schema with these additional tables and columns. Throws when one of them refers to a column that does not exist. */
export function extendSchema(
  plugins: readonly PluginTable[],
  { schemaName = defaultSchemaName, ids = 'text' }: Partial<TablePlace> = {}
): ExtendedSchema {
  const tables: Record<string, PgTable> = tablesIn({ schemaName, ids })
  const ownColumns = columnsOf(ids, () => columnOf(tables['user'], 'id'))
  const { table: tableOf } = new PgSchema(schemaName)
  const make = ({ key, columns }: PluginTable, first: Record<string, PgColumnBuilderBase>) => {
    const more = columns.map((column): [string, PgColumnBuilderBase] => [column.key, builderOf(column, tables, ids)])
    const indexed = columns.filter((column) => column.index === true && column.unique !== true)
    return tableOf(snakeCase(key), { ...first, ...Object.fromEntries(more) }, (table) =>
      indexed.map((column) => index(`${key}_${column.key}_idx`).on(columnOf(table, column.key)))
    )
  }
  const additions = plugins.map((plugin) => {
    const own = Object.entries(ownColumns).find(([key]) => key === plugin.key)?.[1]
    const table = make(plugin, own ?? { id: idColumn(ids) })
    tables[plugin.key] = table
    return own === undefined ? table : make(plugin, {})
  })
  // Each table has all the columns that the type names, and more.
  return { schema: { ...tables, ...relationsOf(tables) } as unknown as Tables, additions, schemaName, ids }
}

/** The column of this key. Throws when there is none. */
export function columnOf(table: object | undefined, key: string): AnyPgColumn {
  const column: unknown = table === undefined ? undefined : Reflect.get(table, key)
  if (column === undefined) throw new Error(`the policy file or a plugin refers to a column ${key} that does not exist`)
  return column as AnyPgColumn // a Drizzle table keeps its columns under their keys
}

function builderOf(column: PluginColumn, tables: Readonly<Record<string, PgTable>>, ids: IdKind): PgColumnBuilderBase {
  const { references, required, unique } = column
  const name = snakeCase(column.key)
  const made = references?.field === 'id' ? referenceColumn(name, ids) : typeOf(name, column)
  // The builders differ in the type of their values. What follows is the same for all of them.
  const builder = made as unknown as PgColumnBuilder
  const value = defaultOf(column)
  if (value !== undefined) builder.default(value as SQL<never>)
  if (required === true) builder.notNull()
  if (unique === true) builder.unique()
  if (references !== undefined) {
    const { model, field, onDelete = 'cascade' } = references
    builder.references(() => columnOf(tables[model], field), { onDelete })
  }
  return builder
}

function typeOf(name: string, { type, bigint: large }: PluginColumn): PgColumnBuilderBase {
  const whole = large === true ? bigint(name, { mode: 'number' }) : integer(name)
  if (type === 'number') return whole
  if (type === 'number[]') return whole.array()
  if (type === 'string[]') return text(name).array()
  if (type === 'boolean') return boolean(name)
  if (type === 'json') return jsonb(name)
  return type === 'date' ? timestamp(name) : text(name)
}

// BetterAuth fills in its defaults by itself. These are for rows that exist already, and for rows that SQL inserts.
function defaultOf({ type, defaultValue }: PluginColumn): SQL | undefined {
  switch (typeof defaultValue) {
    case 'string':
      return sql.raw(`'${defaultValue.replaceAll("'", "''")}'`)
    case 'number':
    case 'boolean':
      return sql.raw(String(defaultValue))
    default:
      return type === 'date' && typeof defaultValue === 'function' ? sql`now()` : undefined
  }
}

/**
 * A relation in both directions for each foreign key, so that BetterAuth can join the tables. They have the names that
 * its adapter asks for; of several keys between the same two tables, only the first gets that name.
 */
function relationsOf(tables: Readonly<Record<string, PgTable>>): Record<string, Relations> {
  const references = Object.entries(tables).flatMap(([from, source]) =>
    getTableConfig(source).foreignKeys.flatMap((foreignKey) => {
      const { columns, foreignColumns, foreignTable: target } = foreignKey.reference()
      const to = Object.keys(tables).find((key) => snakeCase(key) === getTableName(target))
      const [[column], [targetColumn]] = [columns, foreignColumns]
      if (to === undefined || column === undefined || targetColumn === undefined) return []
      return [{ from, source, column, to, target, targetColumn, relationName: foreignKey.getName() }]
    })
  )
  const made = Object.entries(tables).map(([key, table]) => [
    `${key}Relations`,
    relations(table, ({ one, many }) => {
      const named: Record<string, Relation> = {}
      for (const { from, source, column, to, target, targetColumn, relationName } of references) {
        const add = (name: string, relation: Relation) => {
          named[name in named ? relationName : name] = relation
        }
        if (from === key) add(to, one(target, { fields: [column], references: [targetColumn], relationName }))
        if (to !== key) continue
        if (column.isUnique) add(from, one(source, { fields: [targetColumn], references: [column], relationName }))
        else add(`${from}s`, many(source, { relationName }))
      }
      return named
    })
  ])
  return Object.fromEntries(made)
}
