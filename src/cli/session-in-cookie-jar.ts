import { readFile } from 'node:fs/promises'
import { readPrincipalHeaders } from '../../auth/additional-fields.ts'
import { cookiePrefix } from '../../auth/better-auth-cookie-names.ts'
import { readCookie } from '../../auth/cookie-header.ts'
import { hasAdminPlugin } from '../../auth/policy-auth-options.ts'
import { agesOf } from '../../auth/session-lifetimes.ts'
import { type Identity, identityOf } from '../../auth/session-verdict.ts'
import { createCookieSigner } from '../../auth/signed-cookie.ts'
import { codeOf } from '../../db/error-code.ts'
import { openDatabase } from '../../db/open-database.ts'
import { endOfSession } from '../../db/session-end-time.ts'
import { type AdminColumns, createSessionReader, isBanned } from '../../db/session-queries.ts'
import { ConfigError, publicUrlOf } from '../config/environment.ts'
import { loadOrCreateSecret } from '../config/generated-secret.ts'
import type { Settings } from '../config/load-settings.ts'
import { databaseOptions } from '../database-start.ts'
import { describeDatabaseFailure } from '../failure-wording.ts'

/** Whose session the cookies of a jar hold, as the gateway would find on a cache miss; `why` is for people. */
export interface JarVerdict {
  outcome: 'identified' | 'anonymous' | 'ambiguous' | 'unavailable'
  why: string
  identity?: Identity
}

/** The `Cookie` header that curl would send from a cookie jar in Netscape's format, whatever the domains in it. */
function cookieHeaderOf(jar: string): string {
  return jar
    .split(/\r?\n/)
    .map((line) => line.replace(/^#HttpOnly_/, '').split('\t'))
    .filter((fields) => fields.length >= 7 && fields[0]?.startsWith('#') === false)
    .map((fields) => `${fields[5]}=${fields[6]}`)
    .join('; ')
}

/** Judges the session cookie of a jar; makes no change. Throws a ConfigError when the jar cannot be read. */
export async function judgeJar(path: string, settings: Settings): Promise<JarVerdict> {
  const { config, policy } = settings
  const jar = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new ConfigError([`--cookie-jar: the file cannot be read (${codeOf(error) ?? 'unknown error'})`])
  })
  const publicUrl = publicUrlOf(config)
  const name = `${cookiePrefix(publicUrl, config.production)}.session_token`
  const reading = readCookie(cookieHeaderOf(jar), name)
  if (reading.kind === 'absent') return { outcome: 'anonymous', why: `the jar holds no ${name}` }
  if (reading.kind === 'ambiguous') return { outcome: 'ambiguous', why: `the jar holds two different ${name}` }

  const secret = config.secret ?? (await loadOrCreateSecret(config.dataDir))
  const cookie = createCookieSigner(secret, config.previousSecret).verify(reading.value)
  if (cookie === null)
    return { outcome: 'anonymous', why: 'the cookie was not signed with this BETTER_AUTH_SECRET, or was altered' }
  const admin = hasAdminPlugin(policy.auth)
    ? (await import('../../auth/admin-plugin-columns.ts')).adminColumns(policy.auth)
    : undefined
  return readSession(cookie.token, settings, admin)
}

async function readSession(token: string, settings: Settings, admin: AdminColumns | undefined): Promise<JarVerdict> {
  try {
    const database = await openDatabase(await databaseOptions(settings))
    try {
      const session = await createSessionReader(database, admin, readPrincipalHeaders(settings.policy).fields)(token)
      if (session === null) return { outcome: 'anonymous', why: 'the session has ended, or its user is gone' }
      const end = endOfSession(session, agesOf(settings.policy.session))
      const until = new Date(end).toISOString()
      if (end <= Date.now()) return { outcome: 'anonymous', why: `the session expired at ${until}` }
      if (isBanned(session.bannedUntil, Date.now()))
        return { outcome: 'anonymous', why: `user ${session.userId} is banned` }
      return { outcome: 'identified', why: `user ${session.userId}, until ${until}`, identity: identityOf(session) }
    } finally {
      await database.close()
    }
  } catch (error) {
    return { outcome: 'unavailable', why: describeDatabaseFailure(error).lines.join(' ') }
  }
}
