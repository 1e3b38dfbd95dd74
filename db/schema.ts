import { sql } from 'drizzle-orm'
import { type AnyPgColumn, boolean, customType, index, pgTable, text } from 'drizzle-orm/pg-core'

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

const now = sql`now()`
const touch = () => new Date()

/** The columns of the four tables without those that plugins of BetterAuth add. */
export const columns = {
  user: {
    id: text('id').primaryKey(),
    name: text('name').notNull(),
    email: text('email').notNull().unique(),
    emailVerified: boolean('email_verified').default(false).notNull(),
    image: text('image'),
    createdAt: timestamp('created_at').default(now).notNull(),
    updatedAt: timestamp('updated_at').default(now).$onUpdate(touch).notNull()
  },
  session: {
    id: text('id').primaryKey(),
    expiresAt: timestamp('expires_at').notNull(),
    token: text('token').notNull().unique(),
    createdAt: timestamp('created_at').default(now).notNull(),
    updatedAt: timestamp('updated_at').$onUpdate(touch).notNull(),
    ipAddress: text('ip_address'),
    userAgent: text('user_agent'),
    userId: text('user_id')
      .notNull()
      .references((): AnyPgColumn => user.id, { onDelete: 'cascade' })
  },
  account: {
    id: text('id').primaryKey(),
    accountId: text('account_id').notNull(),
    providerId: text('provider_id').notNull(),
    userId: text('user_id')
      .notNull()
      .references((): AnyPgColumn => user.id, { onDelete: 'cascade' }),
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
    id: text('id').primaryKey(),
    identifier: text('identifier').notNull(),
    value: text('value').notNull(),
    expiresAt: timestamp('expires_at').notNull(),
    createdAt: timestamp('created_at').default(now).notNull(),
    updatedAt: timestamp('updated_at').default(now).$onUpdate(touch).notNull()
  }
}

/** A person. */
export const user = pgTable('user', columns.user)

/** One signed-in browser. Deleting the row ends it. */
export const session = pgTable('session', columns.session, (table) => [index('session_userId_idx').on(table.userId)])

/** One way to sign in: the password (hashed), or a social provider's account. */
export const account = pgTable('account', columns.account, (table) => [index('account_userId_idx').on(table.userId)])

/** Tokens that were mailed to a user: for verifying an email address and for resetting a password. */
export const verification = pgTable('verification', columns.verification, (table) => [
  index('verification_identifier_idx').on(table.identifier)
])
