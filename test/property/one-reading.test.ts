import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import root from 'tap'
import { request as ask } from 'undici'
import { type Access, methods, type RouteRule } from '../../proxy/route-policy.ts'
import { withoutPython } from '../support/python.ts'
import { sendRaw } from '../support/raw-http.ts'
import { startUvicorn, type Uvicorn } from '../support/uvicorn.ts'
import { readAnswer } from '../support/wire.ts'
import { type Gateways, startGateways } from './gateways.ts'
import { ruleSet } from './rules.ts'
import { allowTime, holds, inParallel } from './runs.ts'
import { hasOneReading, request, spell, type WireRequest } from './spellings.ts'

const requestsAtOnce = 6

/** Where a request came out. */
interface Outcome {
  readonly status: number
  /** The rule that FastAPI routed it to, -1 for none of them; undefined where FastAPI did not answer. */
  readonly routed: number | undefined
  /** Of the path as FastAPI saw it, and of the target's bytes. */
  readonly digests: string
  readonly user: string
  /** Whether the path is one that the gateway answers itself. */
  readonly own: boolean
}

root.test(
  'the path that the policy judges is the path that FastAPI routes',
  { skip: await withoutPython() },
  async (t) => {
    allowTime(root, t)
    const controlKey = randomBytes(16).toString('hex')
    const uvicorn = await startUvicorn(t, {
      app: 'routed:app',
      dir: `${import.meta.dirname}/app`,
      env: { CONTROL_KEY: controlKey },
      args: ['--lifespan', 'off', '--no-access-log', '--log-level', 'info']
    })
    const gateways = await startGateways(t, uvicorn.url)
    const counts = new Map<string, number>()
    const count = (what: string) => counts.set(what, (counts.get(what) ?? 0) + 1)

    await holds(
      t,
      fc.tuple(ruleSet, fc.array(request, { minLength: 80, maxLength: 160, size: 'max' })),
      async ([rules, recipes]) => {
        await ask(`${uvicorn.url}/__rules`, {
          method: 'POST',
          headers: { 'x-control-key': controlKey },
          body: JSON.stringify(rules)
        }).then(({ body }) => body.dump())
        const gateway = await gateways.start(rules)
        const ports = { gateway: gateway.port, uvicorn: uvicorn.port, host: new URL(gateway.publicUrl).host }
        const problems: string[] = []
        const wires = recipes.map((recipe) => spell(recipe, rules))
        await inParallel(wires, requestsAtOnce, async (wire) => {
          const problem = await disagreement(wire, rules, gateways, ports, count)
          if (problem !== null) problems.push(problem)
        })
        await gateway.close({ delayMs: 0, timeoutMs: 100 })
        return problems.map((problem) => `${problem} rules: ${JSON.stringify(rules)}`)
      },
      60
    )

    t.comment(JSON.stringify(Object.fromEntries(counts)))
    const total = [...counts].reduce((sum, [, n]) => sum + n, 0)
    for (const verdict of ['public', 'optional', 'session', 'deny', 'refused']) {
      // A test in which one of the outcomes hardly occurs promises nothing about it.
      const share = ((counts.get(verdict) ?? 0) + (counts.get(`${verdict}, upgrade`) ?? 0)) / total
      t.ok(share > 0.01, `${verdict}: ${(share * 100).toFixed(1)} % of ${total}`)
    }
  }
)

async function disagreement(
  wire: WireRequest,
  rules: readonly RouteRule[],
  { cookie, userId }: Gateways,
  ports: { gateway: number; uvicorn: number; host: string },
  count: (what: string) => void
): Promise<string | null> {
  const anonymous = await outcome(ports.gateway, ports.host, wire)
  const identified = await outcome(ports.gateway, ports.host, wire, cookie)
  const direct = await outcome(ports.uvicorn, ports.host, wire)
  const say = (what: string) => `${what}: ${JSON.stringify({ wire, anonymous, identified, direct })}`

  if (direct.own) {
    count('own')
    return anonymous.routed === undefined && identified.routed === undefined ? null : say('not kept from FastAPI')
  }
  if (identified.status === 431) {
    // The cookie was what made the head too long: a refusal, but not one that tells what the rules say.
    count('too long')
    return anonymous.user === '' ? null : say('named')
  }
  const verdict = verdictOf(anonymous, identified, userId)
  if (verdict === null) return say('no verdict')
  count(wire.upgrade ? `${verdict}, upgrade` : verdict)
  if (verdict === 'refused') {
    const served = methods.some((method) => method === wire.method)
    return served && hasOneReading(wire.target) === true ? say('refused for nothing') : null
  }
  if (hasOneReading(wire.target) === false) return say('not refused')
  if (direct.routed === undefined) return verdict === 'session' || verdict === 'deny' ? null : say('let through')
  const meant: Access = rules[direct.routed]?.access ?? 'session'
  if (verdict !== meant) return say(`judged as ${verdict}, but FastAPI routes it as ${meant}`)
  for (const passed of [anonymous, identified]) {
    if (passed.routed === undefined) continue
    if (passed.routed !== direct.routed) return say('routed elsewhere')
    if (passed.digests !== direct.digests) return say('its bytes were changed')
  }
  return null
}

// What the policy said shows only in what becomes of a request without a session and of the same with one.
function verdictOf(anonymous: Outcome, identified: Outcome, userId: string): Access | 'refused' | null {
  if (anonymous.user !== '') return null
  if (identified.routed !== undefined) {
    const known = identified.user === userId
    if (anonymous.routed !== undefined) return known ? 'optional' : identified.user === '' ? 'public' : null
    return known && anonymous.status === 401 ? 'session' : null
  }
  if (anonymous.routed !== undefined || anonymous.status !== identified.status) {
    // What uvicorn itself refuses has no rule; 401 before it is as good.
    return anonymous.status === 401 && identified.status === 400 ? 'session' : null
  }
  if (anonymous.status === 404) return 'deny'
  return [400, 405].includes(anonymous.status) ? 'refused' : null
}

const upgrade = [
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  `Sec-WebSocket-Key: ${'A'.repeat(22)}==`
]

async function outcome(port: Uvicorn['port'], host: string, wire: WireRequest, cookie?: string): Promise<Outcome> {
  const lines = [
    `${wire.method} ${wire.target} HTTP/1.1`,
    `Host: ${host}`,
    ...(cookie === undefined ? [] : [`Cookie: ${cookie}`]),
    ...(wire.upgrade ? upgrade : ['Connection: close'])
  ]
  const bytes = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
  const answer = readAnswer(await sendRaw(port, bytes, wire.upgrade ? /\r\n\r\n/ : undefined, 60_000))
  const routed = answer.only('x-routed')
  return {
    status: answer.status,
    routed: routed === undefined ? undefined : Number(routed),
    digests: `${answer.only('x-path')} ${answer.only('x-target')}`,
    user: answer.only('x-user') ?? '',
    own: answer.only('x-own') === 'True'
  }
}
