import { getAuthTables } from 'better-auth/db'
import type { PluginColumn, PluginReference, PluginTable } from '../db/plugin-tables.ts'
import type { AuthExtension } from './auth-options.ts'

type AuthTables = ReturnType<typeof getAuthTables>
type AuthTable = AuthTables[string]
type Field = AuthTable['fields'][string]

/** The tables and columns that the plugins of a policy file need besides the four tables; none without such plugins. */
export function pluginTables({ plugins }: Pick<AuthExtension, 'plugins'>): PluginTable[] {
  if (plugins === undefined || plugins.length === 0) return []
  const own = getAuthTables({})
  const wanted = getAuthTables({ plugins })
  return Object.entries(wanted).flatMap(([key, table]) => {
    if (own[key] === undefined && table.disableMigrations === true) return []
    const known = own[key]?.fields ?? {}
    const columns = Object.entries(table.fields)
      .filter(([name]) => known[name] === undefined)
      .map(([name, field]) => columnOf(field.fieldName ?? name, field, table, wanted))
    return columns.length === 0 ? [] : [{ key: table.modelName, columns }]
  })
}

function columnOf(key: string, field: Field, { indexes }: AuthTable, tables: AuthTables): PluginColumn {
  const alone = indexes?.filter(({ fields }) => fields.length === 1 && fields[0] === key) ?? []
  return {
    key,
    type: typeOf(field),
    required: field.required === true,
    unique: field.unique === true || alone.some(({ unique }) => unique === true),
    indexed: field.index === true || alone.length > 0,
    default: defaultOf(field),
    references: referenceOf(field, tables)
  }
}

function typeOf({ type, bigint }: Field): PluginColumn['type'] {
  switch (type) {
    case 'boolean':
    case 'json':
      return type
    case 'date':
      return 'instant'
    case 'number':
      return bigint === true ? 'bigint' : 'integer'
    case 'number[]':
      return bigint === true ? 'bigint[]' : 'integer[]'
    case 'string[]':
      return 'text[]'
    default:
      return 'text'
  }
}

// BetterAuth fills its defaults in by itself; what stands here is for the rows that are there, and for SQL.
function defaultOf({ type, defaultValue }: Field): string | undefined {
  if (typeof defaultValue === 'string') return `'${defaultValue.replaceAll("'", "''")}'`
  if (typeof defaultValue === 'number' || typeof defaultValue === 'boolean') return String(defaultValue)
  return type === 'date' && typeof defaultValue === 'function' ? 'now()' : undefined
}

function referenceOf({ references }: Field, tables: AuthTables): PluginReference | undefined {
  if (references === undefined) return undefined
  const table =
    tables[references.model] ?? Object.values(tables).find(({ modelName }) => modelName === references.model)
  const key = table?.fields[references.field]?.fieldName ?? references.field
  return { table: table?.modelName ?? references.model, key, onDelete: references.onDelete ?? 'cascade' }
}
