import { randomBytes } from 'node:crypto'
import { WebSocket } from 'ws'
import { Browser } from '../support/browser.ts'
import type { Teardown } from '../support/postgres.ts'
import { ask } from './probes.ts'
import { type Spread, spread } from './statistics.ts'
import { buildWorld, cookieOf, type Replica, type World } from './world.ts'

export interface Propagation {
  readonly driver: 'pg' | 'neon'
  /** From the answer to a revocation on one gateway until the last request that the other let through, in ms. */
  readonly refusedAfter: Spread
  /** From that answer until the WebSocket on the other was closed, in ms; 0: it was closed before the answer came. */
  readonly closedAfter: Spread
  /** From the moment that the revocation was sent. */
  readonly refusedAfterSending: Spread
  readonly closedAfterSending: Spread
  readonly findings: readonly string[]
}

interface Passage {
  readonly sentAt: number
  readonly answeredAt: number
  readonly refusedAt: number
  readonly lastLetThroughAt: number
  readonly closedAt: number
}

/**
 * Revokes so many sessions on one gateway, one after the other, while the other is asked as each of them all the time
 * and holds a WebSocket of it. Decisions last ten minutes, so that nothing but the event explains what happens.
 */
export async function propagation(t: Teardown, driver: 'pg' | 'neon', times: number): Promise<Propagation> {
  const world = await buildWorld(t, {
    driver,
    beforeBridge: false,
    ttlSeconds: 600,
    staleSeconds: 0,
    refreshing: false
  })
  const userId = randomBytes(12).toString('hex')
  await world.sql(`insert into "user" (id, name, email) values ($1, 'somebody', $1 || '@example.com')`, [userId])
  const acting = await mint(world, userId)
  const findings: string[] = []
  const passages: Passage[] = []
  for (let i = 0; i < times; i++) {
    const passage = await revokeOne(world, acting, await mint(world, userId)).catch((error) => String(error))
    if (typeof passage === 'string') findings.push(passage)
    else passages.push(passage)
  }
  const since = (from: 'sentAt' | 'answeredAt', to: 'lastLetThroughAt' | 'refusedAt' | 'closedAt') =>
    spread(passages.map((passage) => Math.max(0, passage[to] - passage[from])))
  return {
    driver,
    refusedAfter: since('answeredAt', 'lastLetThroughAt'),
    closedAfter: since('answeredAt', 'closedAt'),
    refusedAfterSending: since('sentAt', 'refusedAt'),
    closedAfterSending: since('sentAt', 'closedAt'),
    findings
  }
}

async function mint(world: World, userId: string) {
  const token = randomBytes(24).toString('base64url')
  await world.sql(
    `insert into session (id, token, user_id, expires_at, updated_at) values ($1, $1, $2, now() + interval '7 days', now())`,
    [token, userId]
  )
  return { token, userId, cookie: cookieOf(world.signer, token), endsFrom: undefined, endedAt: undefined }
}

type Minted = Awaited<ReturnType<typeof mint>>

async function revokeOne({ replicas }: World, acting: Minted, session: Minted): Promise<Passage> {
  const [here, there] = replicas
  for (const replica of replicas) {
    const { verdict } = await ask(replica, session, '/me')
    if (verdict !== 'let through') throw new Error(`before its end: ${verdict}`)
  }
  const { socket, closed } = await connect(there, session)
  try {
    let lastLetThroughAt = 0
    const watching = (async () => {
      const deadline = Date.now() + 5_000
      while (Date.now() < deadline) {
        const sentAt = performance.now()
        const { verdict } = await ask(there, session, '/me')
        if (verdict === 'refused') return performance.now()
        if (verdict !== 'let through') throw new Error(verdict)
        lastLetThroughAt = sentAt
      }
      throw new Error('it was let through for five seconds')
    })()
    const browser = new Browser(here.url, here.publicUrl)
    const [name = '', value = ''] = acting.cookie.split('=')
    browser.cookies.set(name, value)
    const sentAt = performance.now()
    const { status } = await browser.post('/api/auth/revoke-session', { token: session.token })
    const answeredAt = performance.now()
    if (status !== 200) throw new Error(`the revocation was answered ${status}`)
    const [refusedAt, closedAt] = await Promise.all([watching, closed])
    return { sentAt, answeredAt, refusedAt, lastLetThroughAt, closedAt }
  } finally {
    socket.terminate()
  }
}

async function connect(replica: Replica, session: Minted): Promise<{ socket: WebSocket; closed: Promise<number> }> {
  const socket = new WebSocket(`${replica.url.replace('http', 'ws')}/chat`, {
    headers: { host: replica.host, cookie: session.cookie }
  })
  const closed = new Promise<number>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error('the WebSocket stayed open for five seconds')), 5_000)
    socket.on('close', (code) => {
      clearTimeout(late)
      if (code === 1008) resolve(performance.now())
      else reject(new Error(`the WebSocket was closed with ${code}`))
    })
  })
  closed.catch(() => {})
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
  return { socket, closed }
}
