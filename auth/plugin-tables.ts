import { type DBFieldAttribute as Field, getAuthTables } from 'better-auth/db'
import type { PluginColumn, PluginTable } from '../db/extended-schema.ts'
import { type AuthExtension, hasPluginTables } from './policy-auth-options.ts'

type AuthTables = ReturnType<typeof getAuthTables>
type AuthTable = AuthTables[string]

/** The tables and columns that a policy file's plugins and additional fields need besides the four tables; often none. */
export function pluginTables({
  plugins = [],
  user = {},
  session = {}
}: Pick<AuthExtension, 'plugins' | 'user' | 'session'>): PluginTable[] {
  if (!hasPluginTables({ plugins, user, session })) return []
  const own = getAuthTables({})
  const wanted = getAuthTables({
    plugins,
    user: { additionalFields: user.additionalFields ?? {} },
    session: { additionalFields: session.additionalFields ?? {} }
  })
  return Object.entries(wanted).flatMap(([key, table]) => {
    if (own[key] === undefined && table.disableMigrations === true) return []
    const columns = Object.entries(table.fields)
      .filter(([name]) => own[key]?.fields[name] === undefined)
      .map(([name, field]) => columnOf(name, field, table, wanted))
    return columns.length === 0 ? [] : [{ key: table.modelName, columns }]
  })
}

function columnOf(name: string, field: Field, { indexes }: AuthTable, tables: AuthTables): PluginColumn {
  const { fieldName: key = name, references, ...rest } = field
  const alone = indexes?.filter(({ fields }) => fields.length === 1 && fields[0] === name) ?? []
  return {
    ...rest,
    key,
    unique: field.unique === true || alone.some(({ unique }) => unique === true),
    index: field.index === true || alone.length > 0,
    references: references && { ...references, ...targetOf(references, tables) }
  }
}

/** The table and the column that a plugin refers to, under the names that the policy file gives them. */
function targetOf({ model, field }: NonNullable<Field['references']>, tables: AuthTables) {
  const table = tables[model] ?? Object.values(tables).find(({ modelName }) => modelName === model)
  return { model: table?.modelName ?? model, field: table?.fields[field]?.fieldName ?? field }
}
