import type { BenchGateway } from '../gateway.ts'
import { cookieOf, cookiesAcross, forgedCookieOf } from '../sessions-made.ts'
import { usualSessions } from '../stage.ts'
import { type Contender, page, type Running } from './contender.ts'

/** The gateway and a session it has just seen. */
export const warm: Contender = {
  name: 'Gatehouse, warm session',
  async start(stage) {
    return warmOf(await stage.gateway())
  }
}

/** The same with every tenth request of a session it has not seen lately. */
export const tenthMisses: Contender = {
  name: 'Gatehouse, 10 % misses',
  async start(stage) {
    const { url, pid } = await stage.gateway()
    const others = { cookies: cookiesAcross(usualSessions, usualSessions, url), every: 10 }
    return { load: { url: url + page, headers: { Cookie: cookieOf(0, url) }, status: 200, others }, pids: [pid] }
  }
}

/** The gateway and a cookie that nobody signed. */
export const forged: Contender = {
  name: 'Gatehouse, forged cookie (401)',
  async start(stage) {
    const { url, pid } = await stage.gateway()
    return { load: { url: url + page, headers: { Cookie: forgedCookieOf(0, url) }, status: 401 }, pids: [pid] }
  }
}

/** A route of the gateway that needs no session, asked with the same cookie. */
export const publicRoute: Contender = {
  name: 'Gatehouse, public route',
  async start(stage) {
    const { url, pid } = await stage.gateway()
    return { load: { url: `${url}/public${page}`, headers: { Cookie: cookieOf(0, url) }, status: 200 }, pids: [pid] }
  }
}

/** A gateway of any kind with a session that it has just seen. */
export function warmOf({ url, pid }: Pick<BenchGateway, 'url' | 'pid'>): Running {
  return { load: { url: url + page, headers: { Cookie: cookieOf(0, url) }, status: 200 }, pids: [pid] }
}

/** A gateway of any kind that is asked by another one of so many sessions every time. */
export function missesOf({ url, pid }: Pick<BenchGateway, 'url' | 'pid'>, sessions: number): Running {
  const others = { cookies: cookiesAcross(sessions, usualSessions, url), every: 1 }
  return { load: { url: url + page, headers: { Cookie: cookieOf(0, url) }, status: 200, others }, pids: [pid] }
}

/** The gateway and a session it has just seen, before uvicorn. */
export const warmUvicorn: Contender = {
  name: 'uvicorn behind Gatehouse, warm session',
  async start(stage) {
    return warmOf(await stage.gatewayBeforeUvicorn())
  }
}
