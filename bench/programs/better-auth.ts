import { betterAuth } from 'better-auth'
import { drizzleAdapter } from 'better-auth/adapters/drizzle'
import { drizzle } from 'drizzle-orm/node-postgres'
import pg from 'pg'
import { extendSchema } from '../../db/extended-schema.ts'

// With the relations between the four tables, which a joined look-up needs.
const { schema } = extendSchema([])

/** How BetterAuth is set up where it stands on its own: as in its guide, with its joined look-up switched on. */
export interface PlainAuthOptions {
  readonly databaseUrl: string
  readonly secret: string
  /** `yes`: sessions are also kept in a signed cookie, for an hour. */
  readonly cookieCache: string
}

/** BetterAuth on node-postgres without Gatehouse. */
export function createPlainAuth({ databaseUrl, secret, cookieCache }: PlainAuthOptions) {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 10 })
  return betterAuth({
    baseURL: 'http://localhost',
    secret,
    database: drizzleAdapter(drizzle(pool, { schema }), { provider: 'pg', schema }),
    session: { cookieCache: { enabled: cookieCache === 'yes', maxAge: 3_600 } },
    advanced: { database: { joins: true } },
    telemetry: { enabled: false }
  })
}
