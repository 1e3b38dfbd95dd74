import type { ToldField } from '../db/session-queries.ts'
import { snakeCase } from '../db/snake-case.ts'
import { isRecord } from '../db/type-guards.ts'
import { foldHeaderName } from './header-kinds.ts'

/** What FastAPI can be told about an identified user on demand, whatever the policy file adds to users. */
export const principalNames = ['name', 'role', 'sessionId', 'sessionCreatedAt', 'impersonatedBy'] as const
export type PrincipalName = (typeof principalNames)[number]

/** A field that a client may set, and that FastAPI is told nevertheless: as a claim. */
export interface ClaimedField {
  readonly field: string
  readonly clientMaySet: true
}

/** What FastAPI is told beside id, email and its verification. A text that is no `PrincipalName` names an additional field. */
export type PrincipalHeader = PrincipalName | (string & Record<never, never>) | ClaimedField

/** The models of BetterAuth that may have additional fields, with the fields that they have anyway. */
export const ownFields = {
  user: ['id', 'name', 'email', 'emailVerified', 'image', 'createdAt', 'updatedAt'],
  session: ['id', 'expiresAt', 'token', 'createdAt', 'updatedAt', 'ipAddress', 'userAgent', 'userId']
} as const satisfies Record<ToldField['table'], readonly string[]>

type Fields = Readonly<Record<string, unknown>>

const types = new Set(['string', 'number', 'boolean', 'date', 'json', 'string[]', 'number[]'])
// A column of it, and what BetterAuth joins to that, stay below the 63 bytes of Postgres' names.
const plainName = /^[A-Za-z][A-Za-z0-9_]{0,49}$/

/**
 * What is wrong with the additional fields of a model, one sentence each. A field that has the name of another one would
 * take its rules with it: whether clients may set a role, say, or an email address that counts as verified.
 */
export function fieldProblems(model: ToldField['table'], fields: unknown, plugins: unknown): string[] {
  const section = `auth.${model}.additionalFields`
  if (!isRecord(fields)) return [`${section}: must be an object of fields by their names`]
  const taken = new Map(ownFields[model].map((name) => [snakeCase(name), "is a field of BetterAuth's own"]))
  for (const name of pluginFields(model, plugins)) taken.set(snakeCase(name), 'is a field of one of the plugins')
  return Object.entries(fields).flatMap(([name, field]) => {
    const at = `${section}.${name}`
    if (!isRecord(field)) return [`${at}: must be an object with a type`]
    const { type, fieldName = name } = field
    // BetterAuth asks whether a name is `in` what a client sent, and those of `Object.prototype` always are.
    if (!plainName.test(name) || name in {} || typeof fieldName !== 'string' || !plainName.test(fieldName))
      return [`${at}: must be named with at most 50 letters, digits and "_", a letter first; fieldName likewise`]
    const problem = taken.get(snakeCase(name)) ?? taken.get(snakeCase(fieldName))
    for (const own of [name, fieldName].map(snakeCase)) if (!taken.has(own)) taken.set(own, 'is there twice')
    const known =
      typeof type === 'string' ? types.has(type) : Array.isArray(type) && type.every((one) => typeof one === 'string')
    return [
      ...(problem === undefined ? [] : [`${at}: ${problem}; choose another name`]),
      ...(known ? [] : [`${at}.type: must be one of ${[...types].join(', ')}, or a list of texts`])
    ]
  })
}

/** The names under which plugins know their fields of a model, and those of their columns. */
function pluginFields(model: ToldField['table'], plugins: unknown): string[] {
  if (!Array.isArray(plugins)) return []
  return plugins.flatMap((plugin: unknown) => {
    const schema = isRecord(plugin) && isRecord(plugin['schema']) ? plugin['schema'][model] : undefined
    const fields: Fields = isRecord(schema) && isRecord(schema['fields']) ? schema['fields'] : {}
    return Object.entries(fields).flatMap(([name, field]) =>
      isRecord(field) && typeof field['fieldName'] === 'string' ? [name, field['fieldName']] : [name]
    )
  })
}

interface Additions {
  readonly additionalFields?:
    | Readonly<Record<string, { readonly input?: boolean | undefined; readonly fieldName?: string | undefined }>>
    | undefined
}

/** The policy file's sections that say what FastAPI is told. */
export interface PrincipalSections {
  readonly principalHeaders: readonly PrincipalHeader[]
  readonly auth: { readonly user?: Additions | undefined; readonly session?: Additions | undefined }
}

const userHeaders = new Set(['id', 'email', 'email-verified', 'name', 'role', 'impersonated-by', 'claimed'])
// Those of organisations will say which one the user acts for; what is claimed must not look like what is known.
const userHeaderPrefixes = ['org-', 'claimed-']

/** The additional fields that FastAPI is told, each with its header, and what is wrong with them. */
export function readPrincipalHeaders({ principalHeaders, auth }: PrincipalSections): {
  fields: ToldField[]
  problems: string[]
} {
  const fields: ToldField[] = []
  const problems: string[] = []
  for (const [index, entry] of principalHeaders.entries()) {
    if (typeof entry === 'string' && principalNames.some((name) => name === entry)) continue
    const told = readField(entry, auth)
    const duplicate = typeof told !== 'string' && fields.some(({ header }) => header === told.header)
    if (typeof told === 'string') problems.push(`principalHeaders[${index}]: ${told}`)
    else if (duplicate) problems.push(`principalHeaders[${index}]: ${told.header} is there twice`)
    else fields.push(told)
  }
  return { fields, problems }
}

function readField(entry: PrincipalHeader, auth: PrincipalSections['auth']): ToldField | string {
  const claimed = typeof entry === 'object'
  const name = claimed ? entry.field : entry
  const found = (['user', 'session'] as const).flatMap((table) => {
    const fields = auth[table]?.additionalFields ?? {}
    const field = Object.hasOwn(fields, name) ? fields[name] : undefined
    return field === undefined ? [] : [{ table, key: field.fieldName ?? name, settable: field.input !== false }]
  })
  const [field, ...others] = found
  const quoted = JSON.stringify(name)
  if (field === undefined)
    return `must be one of ${principalNames.join(', ')}, or a field of auth.user.additionalFields or auth.session.additionalFields`
  if (others.length > 0) return `${quoted} is a field of users and of sessions; choose another name for one of them`
  const { table, key, settable } = field
  const words = snakeCase(name)
    .split('_')
    .filter((word) => word !== '')
  const tail = words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('-')
  const header = `X-User-${claimed ? 'Claimed-' : ''}${tail}`
  if (settable && !claimed)
    return `clients can set ${quoted} at sign-up and later: say input: false in auth.${table}.additionalFields.${name}, or write { field: ${quoted}, clientMaySet: true }, and FastAPI receives it as X-User-Claimed-${tail}`
  if (!settable && claimed) return `no client can set ${quoted}, which is input: false: write ${quoted} alone`
  const folded = foldHeaderName(tail)
  if (!claimed && (userHeaders.has(folded) || userHeaderPrefixes.some((prefix) => folded.startsWith(prefix))))
    return `${quoted} would be sent as ${header}, which has a meaning of its own; choose another name for the field`
  return { table, key, header }
}
