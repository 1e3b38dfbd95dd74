import { createHash } from 'node:crypto'
import type { BetterAuthOptions } from 'better-auth'
import { symmetricDecrypt } from 'better-auth/crypto'
import { getAuthTables } from 'better-auth/db'
import { count, getTableName, isNotNull, sql } from 'drizzle-orm'
import type { Database } from '../db/database.ts'
import { columnOf } from '../db/extended-schema.ts'
import { isRecord } from '../db/type-guards.ts'
import type { AuthExtension } from './policy-auth-options.ts'

/** The secrets that BetterAuth encrypts and opens with. */
export interface Secrets {
  readonly secret: string
  readonly previousSecret?: string | undefined
}

/**
 * BetterAuth encrypts with the first of `secrets`, notes its version beside what it encrypts, and opens with the one of that
 * version; `secret` opens what was encrypted without a version. A secret's version is a part of its hash, so that it is
 * the same whether the secret is the current one or the previous one.
 */
export function secretsOf({ secret, previousSecret }: Secrets) {
  const all = previousSecret === undefined ? [secret] : [secret, previousSecret]
  const versionOf = (value: string) => createHash('sha256').update(value).digest().readUInt32BE()
  return {
    secret: previousSecret ?? secret,
    secrets: all.map((value) => ({ version: versionOf(value), value }))
  } satisfies Pick<BetterAuthOptions, 'secret' | 'secrets'>
}

/** A column whose values BetterAuth encrypts, and what it means that it cannot open one. */
interface EncryptedColumn {
  /** BetterAuth's names. */
  readonly table: string
  readonly column: string
  readonly what: string
  readonly effect: string
}

/** How many values of a column cannot be opened. */
export interface UnopenedValues extends Pick<EncryptedColumn, 'what' | 'effect'> {
  /** `table.column`. */
  readonly place: string
  readonly unopened: number
}

const setUpAgain = 'their users cannot enter a second factor until it is taken from them and set up again'
const signInAgain = 'applications get none until these users sign in with their provider again'

/** The columns that BetterAuth encrypts as this policy file has it. */
export function encryptedColumns({ plugins = [], account }: Pick<AuthExtension, 'plugins' | 'account'>) {
  const optionsOf = (id: string): Readonly<Record<string, unknown>> | undefined => {
    const plugin = plugins.find((one) => one.id === id)
    return plugin === undefined ? undefined : (plugin.options ?? {})
  }
  const columns: EncryptedColumn[] = []
  const [jwt, twoFactor, provider] = [optionsOf('jwt'), optionsOf('two-factor'), optionsOf('oauth-provider')]
  if (jwt !== undefined)
    columns.push({
      table: 'jwks',
      column: 'privateKey',
      what: 'signing keys of the jwt plugin',
      effect: 'they sign no more, a new one is made, and what they have signed is verified as before'
    })
  if (twoFactor !== undefined) {
    columns.push({ table: 'twoFactor', column: 'secret', what: 'secrets of second factors', effect: setUpAgain })
    const backupCodeOptions = twoFactor['backupCodeOptions']
    const stored = isRecord(backupCodeOptions) ? backupCodeOptions['storeBackupCodes'] : undefined
    if (stored === undefined || stored === 'encrypted')
      columns.push({ table: 'twoFactor', column: 'backupCodes', what: 'sets of backup codes', effect: setUpAgain })
  }
  if (provider?.['storeClientSecret'] === 'encrypted' || provider?.['disableJwtPlugin'] === true)
    columns.push({
      table: 'oauthClient',
      column: 'clientSecret',
      what: 'secrets of OAuth clients',
      effect: 'these clients need new ones'
    })
  if (account?.encryptOAuthTokens === true)
    columns.push(
      { table: 'account', column: 'accessToken', what: "providers' access tokens", effect: signInAgain },
      { table: 'account', column: 'refreshToken', what: "providers' refresh tokens", effect: signInAgain }
    )
  return columns
}

// What BetterAuth encrypts begins with `$ba$`, the version and `$`, or is hexadecimal digits alone where it was encrypted
// by one secret without a version. Anything else is not encrypted. The jwt plugin's values are JSON, in quotes.
const version = sql.raw(`'^"?[$]ba[$]([0-9]+)[$]'`)
const withoutVersion = sql.raw(`'^"?[0-9a-f]{80,}"?$'`)
// How many values without a version are tried, each of which takes some microseconds.
const mostTried = 1_000

/** Counts, for each encrypted column, the values that these secrets do not open. Rejects when the database cannot answer. */
export async function countUnopened(
  { db, schema }: Pick<Database, 'db' | 'schema'>,
  extension: Pick<AuthExtension, 'plugins' | 'account'>,
  secrets: Secrets
): Promise<UnopenedValues[]> {
  const { secret, secrets: versions } = secretsOf(secrets)
  const opens = new Set(versions.map((one) => String(one.version)))
  const tables = getAuthTables({ plugins: extension.plugins ?? [] })
  const found: UnopenedValues[] = []
  for (const { table: tableKey, column: columnKey, what, effect } of encryptedColumns(extension)) {
    const described = tables[tableKey]
    const table = schema[(described?.modelName ?? tableKey) as keyof typeof schema] // a plugin's is there under its name
    const column = columnOf(table, described?.fields[columnKey]?.fieldName ?? columnKey)
    const byVersion = await db
      .select({ version: sql<string | null>`substring(${column} from ${version})`, values: count() })
      .from(column.table)
      .where(isNotNull(column))
      .groupBy(sql`1`)
    const tried = await db
      .select({ value: sql<string>`${column}` })
      .from(column.table)
      .where(sql`${column} ~ ${withoutVersion}`)
      .limit(mostTried)
    const opened = await Promise.all(tried.map(({ value }) => isOpened(value.replaceAll('"', ''), secret)))
    const ofOthers = byVersion.filter((row) => row.version !== null && !opens.has(row.version))
    const unopened = ofOthers.reduce((sum, row) => sum + row.values, opened.filter((isOpen) => !isOpen).length)
    found.push({ what, effect, place: `${getTableName(column.table)}.${column.name}`, unopened })
  }
  return found
}

function isOpened(data: string, key: string): Promise<boolean> {
  return symmetricDecrypt({ key, data }).then(
    () => true,
    () => false
  )
}
