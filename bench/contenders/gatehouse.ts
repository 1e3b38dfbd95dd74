import { cookieOf, forgedCookieOf } from '../sessions-made.ts'
import { usualSessions } from '../stage.ts'
import { type Contender, page } from './contender.ts'

/** The gateway and a session it has just seen. */
export const warm: Contender = {
  name: 'Gatehouse, warm session',
  async start(stage) {
    const { url, pid } = await stage.gateway()
    return { load: { url: url + page, headers: { Cookie: cookieOf(0) }, status: 200 }, pids: [pid] }
  }
}

/** The same with every tenth request of a session it has not seen lately. */
export const tenthMisses: Contender = {
  name: 'Gatehouse, 10 % misses',
  async start(stage) {
    const { url, pid } = await stage.gateway()
    const others = { cookies: Array.from({ length: usualSessions - 1 }, (_, n) => cookieOf(n + 1)), every: 10 }
    return { load: { url: url + page, headers: { Cookie: cookieOf(0) }, status: 200, others }, pids: [pid] }
  }
}

/** The gateway and a cookie that nobody signed. */
export const forged: Contender = {
  name: 'Gatehouse, forged cookie (401)',
  async start(stage) {
    const { url, pid } = await stage.gateway()
    return { load: { url: url + page, headers: { Cookie: forgedCookieOf(0) }, status: 401 }, pids: [pid] }
  }
}

/** A route of the gateway that needs no session, asked with the same cookie. */
export const publicRoute: Contender = {
  name: 'Gatehouse, public route',
  async start(stage) {
    const { url, pid } = await stage.gateway()
    return { load: { url: `${url}/public${page}`, headers: { Cookie: cookieOf(0) }, status: 200 }, pids: [pid] }
  }
}

/** The gateway and a session it has just seen, before uvicorn. */
export const warmUvicorn: Contender = {
  name: 'uvicorn behind Gatehouse, warm session',
  async start(stage) {
    const { url, pid } = await stage.gatewayBeforeUvicorn()
    return { load: { url: url + page, headers: { Cookie: cookieOf(0) }, status: 200 }, pids: [pid] }
  }
}
