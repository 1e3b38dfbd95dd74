import { cookiePrefix } from '../../auth/better-auth-cookie-names.ts'
import { isProduction } from '../../src/config/rules-between-variables.ts'

/** The prefix of all of BetterAuth's cookies on this origin, the dot included, where NODE_ENV is not `production`. */
export function prefixOn(publicUrl: string): string {
  return `${cookiePrefix(publicUrl, isProduction(undefined, publicUrl))}.`
}

/** The full name of the session cookie there. */
export function sessionCookieOn(publicUrl: string): string {
  return `${prefixOn(publicUrl)}session_token`
}

/** Gateways that are replicas of each other have one origin, and so one name for a cookie. */
export const oneOrigin = { BETTER_AUTH_URL: 'http://localhost:8080' }

/** What an environment says of the public origin: nothing, so that it is http on this machine, and https. */
export const origins: readonly Readonly<Record<string, string>>[] = [{}, { BETTER_AUTH_URL: 'https://localhost:8443' }]
