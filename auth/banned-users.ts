import type { AuthContext } from 'better-auth'
import { endOfBan, isBanned } from '../db/session-queries.ts'

/**
 * Has BetterAuth find no session of a banned user. By itself it ends sessions only in its own endpoint for bans and
 * refuses new ones, so that a ban by SQL would leave everything of BetterAuth's open.
 */
export function refuseBanned({ internalAdapter }: AuthContext): void {
  const findSession = internalAdapter.findSession.bind(internalAdapter)
  internalAdapter.findSession = async (token) => {
    const found = await findSession(token)
    if (found === null) return null
    const { banned, banExpires }: Readonly<Record<string, unknown>> = found.user
    const end = endOfBan(banned === true, banExpires instanceof Date ? banExpires : null)
    return isBanned(end, Date.now()) ? null : found
  }
}
