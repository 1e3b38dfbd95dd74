import { sql } from 'drizzle-orm'
import {
  type AnyPgColumn,
  boolean,
  customType,
  index,
  PgSchema,
  type PgTextBuilderInitial,
  text,
  uuid
} from 'drizzle-orm/pg-core'

/**
 * A column that holds a point in time. Our migrations make it a `timestamp with time zone`, BetterAuth's own generator a
 * plain `timestamp` in UTC. Both are read and written alike, whatever the time zone of the process or the database.
 */
export const timestamp = customType<{ data: Date; driverData: string }>({
  dataType: () => 'timestamp with time zone',
  fromDriver: readTimestamp,
  toDriver: (value) => value.toISOString()
})

/** Reads a timestamp as Postgres prints it; without a zone it is UTC. An invalid date where it is not one, as `infinity`. */
export function readTimestamp(value: string | Date): Date {
  if (value instanceof Date) return value
  const parts = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d(?:\.\d+)?)(?:Z|([+-]\d\d)(?::?(\d\d))?)?$/.exec(value)
  if (parts === null) return new Date(Number.NaN)
  const [, day, time, hours = '+00', minutes = '00'] = parts
  return new Date(`${day}T${time}${hours}:${minutes}`)
}

/** Where the tables are where nobody says otherwise. */
export const defaultSchemaName = 'public'

/** How ids are made: `text` by BetterAuth, `uuid` and `serial` (numbers that count up) by Postgres. */
export type IdKind = 'text' | 'uuid' | 'serial'

/** The schema that the tables are in, and how their ids are made. */
export interface TablePlace {
  readonly schemaName: string
  readonly ids: IdKind
}

// The builders of the three kinds differ in their Postgres types. What they hold is text to whoever reads it: BetterAuth,
// headers and events know no other ids.
type IdBuilder = PgTextBuilderInitial<'', [string, ...string[]]>
const textOfNumber = (dataType: 'serial' | 'integer') =>
  customType<{ data: string; driverData: number | string }>({ dataType: () => dataType, fromDriver: String })
const serial = textOfNumber('serial')
const integerId = textOfNumber('integer')

/** The column `id` of a table. */
export function idColumn(ids: IdKind) {
  const made = ids === 'text' ? text('id') : ids === 'uuid' ? uuid('id') : serial('id')
  const builder = made as unknown as IdBuilder
  if (ids === 'uuid') builder.default(sql`gen_random_uuid()`)
  return builder.primaryKey()
}

/** A column that holds the id of a row in another table. */
export function referenceColumn(name: string, ids: IdKind): IdBuilder {
  const made = ids === 'text' ? text(name) : ids === 'uuid' ? uuid(name) : integerId(name)
  return made as unknown as IdBuilder
}

const now = sql`now()`
const touch = () => new Date()

/** The columns of the four tables without those that plugins of BetterAuth and the policy file's fields add. */
export function columnsOf(ids: IdKind, userId: () => AnyPgColumn) {
  return {
    user: {
      id: idColumn(ids),
      name: text('name').notNull(),
      email: text('email').notNull().unique(),
      emailVerified: boolean('email_verified').default(false).notNull(),
      image: text('image'),
      createdAt: timestamp('created_at').default(now).notNull(),
      updatedAt: timestamp('updated_at').default(now).$onUpdate(touch).notNull()
    },
    session: {
      id: idColumn(ids),
      expiresAt: timestamp('expires_at').notNull(),
      token: text('token').notNull().unique(),
      createdAt: timestamp('created_at').default(now).notNull(),
      updatedAt: timestamp('updated_at').$onUpdate(touch).notNull(),
      ipAddress: text('ip_address'),
      userAgent: text('user_agent'),
      userId: referenceColumn('user_id', ids).notNull().references(userId, { onDelete: 'cascade' })
    },
    account: {
      id: idColumn(ids),
      accountId: text('account_id').notNull(),
      providerId: text('provider_id').notNull(),
      userId: referenceColumn('user_id', ids).notNull().references(userId, { onDelete: 'cascade' }),
      accessToken: text('access_token'),
      refreshToken: text('refresh_token'),
      idToken: text('id_token'),
      accessTokenExpiresAt: timestamp('access_token_expires_at'),
      refreshTokenExpiresAt: timestamp('refresh_token_expires_at'),
      scope: text('scope'),
      password: text('password'),
      createdAt: timestamp('created_at').default(now).notNull(),
      updatedAt: timestamp('updated_at').$onUpdate(touch).notNull()
    },
    verification: {
      id: idColumn(ids),
      identifier: text('identifier').notNull(),
      value: text('value').notNull(),
      expiresAt: timestamp('expires_at').notNull(),
      createdAt: timestamp('created_at').default(now).notNull(),
      updatedAt: timestamp('updated_at').default(now).$onUpdate(touch).notNull()
    }
  }
}

/**
 * The four tables. Every statement names their schema, `public` too: a connection's `search_path` is somebody else's
 * business, and a pooler that lends connections by the transaction loses it.
 */
export function tablesIn({ schemaName, ids }: TablePlace) {
  const columns = columnsOf(ids, (): AnyPgColumn => user.id)
  const { table } = new PgSchema(schemaName)
  /** A person. */
  const user = table('user', columns.user)
  /** One signed-in browser. Deleting the row ends it. */
  const session = table('session', columns.session, (own) => [index('session_userId_idx').on(own.userId)])
  /** One way to sign in: the password (hashed), or a social provider's account. */
  const account = table('account', columns.account, (own) => [index('account_userId_idx').on(own.userId)])
  /** Tokens that were mailed to a user: for verifying an email address and for resetting a password. */
  const verification = table('verification', columns.verification, (own) => [
    index('verification_identifier_idx').on(own.identifier)
  ])
  return { user, session, account, verification }
}

/** The four tables as the types know them. */
export type Tables = ReturnType<typeof tablesIn>

/** The four tables where nobody says otherwise. */
export const { user, session, account, verification } = tablesIn({ schemaName: defaultSchemaName, ids: 'text' })
