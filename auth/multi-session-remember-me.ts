import type { BetterAuthPlugin } from 'better-auth'
import { createAuthMiddleware } from 'better-auth/api'
import { setSessionCookie } from 'better-auth/cookies'

// How long a session lasts that was signed in without "remember me".
const shortMs = 86_400_000

/**
 * Where multi-session changes to another session of the same browser, has its cookie last as it was signed in: BetterAuth
 * goes by the mark of the session before. A row that was made for more than a day, or was ever refreshed, is remembered.
 */
export function rememberEachSession(): BetterAuthPlugin {
  const changed = createAuthMiddleware(async (context) => {
    const { newSession, sessionConfig } = context.context
    if (newSession === null || sessionConfig.expiresIn * 1_000 <= shortMs) return
    const { createdAt, expiresAt } = newSession.session
    await setSessionCookie(context, newSession, expiresAt.getTime() - createdAt.getTime() <= shortMs)
  })
  const paths = new Set(['/multi-session/set-active', '/multi-session/revoke'])
  return {
    id: 'gatehouse-remember-me',
    hooks: { after: [{ matcher: ({ path }) => path !== undefined && paths.has(path), handler: changed }] }
  }
}
