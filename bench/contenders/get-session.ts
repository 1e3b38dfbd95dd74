import { startOwnProgram } from '../processes.ts'
import { cookieOf, secret } from '../sessions-made.ts'
import type { Stage } from '../stage.ts'
import { type Contender, page, type Running } from './contender.ts'

/** BetterAuth asked about every request, in the proxy's process. */
export const getSession: Contender = {
  name: 'getSession on every request',
  start: (stage) => start(stage, 'no')
}

/** The same with BetterAuth's cookie cache, which answers for sessions that are gone, too. */
export const getSessionCookieCache: Contender = {
  name: 'getSession with its cookie cache',
  start: (stage) => start(stage, 'yes')
}

async function start(stage: Stage, cookieCache: 'yes' | 'no'): Promise<Running> {
  const { pid, url } = await startOwnProgram(stage.cleanup, 'get-session', {
    upstream: (await stage.upstream()).url,
    databaseUrl: await stage.databaseUrl(),
    secret,
    cookieCache
  })
  const answer = await fetch(`${url}/session-cookies`, { headers: { Cookie: cookieOf(0) } })
  const further = answer.headers.getSetCookie().map((cookie) => cookie.split(';', 1)[0])
  if (cookieCache === 'yes' && further.length === 0) throw new Error('BetterAuth cached nothing in a cookie')
  return {
    load: { url: url + page, headers: { Cookie: [cookieOf(0), ...further].join('; ') }, status: 200 },
    pids: [pid]
  }
}
