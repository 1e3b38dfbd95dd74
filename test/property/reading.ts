import { request as ask } from 'undici'
import { methods } from '../../auth/http-methods.ts'
import type { Access, RouteRule } from '../../proxy/route-rules.ts'
import { sendRaw } from '../support/raw-http.ts'
import { readAnswer } from '../support/wire.ts'
import type { Gateways } from './gateways.ts'
import { type MovingHeader, spellMoving } from './moving.ts'
import { inParallel } from './runs.ts'
import { hasOneReading, type Recipe, spell, type WireRequest } from './spellings.ts'

/** Where a request came out. */
interface Outcome {
  readonly status: number
  /** The rule that the app routed it to, -1 for none of them; undefined where the app did not answer. */
  readonly routed: number | undefined
  /** Of the path as the app saw it, of the target's bytes, and of method, scheme, host, mount point and client. */
  readonly digests: string
  readonly user: string
  /** The rule that it would be routed to if encoded slashes were part of their segments; undefined where there are none, or the app does not see them. */
  readonly within: number | undefined
  /** Whether the path is one that the gateway answers itself. */
  readonly own: boolean
}

/** What one run of the property is made of. */
export interface Run {
  readonly gateways: Gateways
  readonly server: { readonly url: string; readonly port: number }
  readonly controlKey: string
  readonly rules: readonly RouteRule[]
  readonly recipes: readonly (readonly [request: Recipe, moving: readonly MovingHeader[]])[]
  /** Whether the app behind the server takes WebSockets. */
  readonly webSockets: boolean
  /** How long a target the server takes; a longer one is not sent. */
  readonly longestTarget?: number
  count(what: string): void
}

const requestsAtOnce = 6

/** Every disagreement about the requests of one run, in words. */
export async function problemsOf({
  gateways,
  server,
  longestTarget = Number.POSITIVE_INFINITY,
  controlKey,
  rules,
  recipes,
  webSockets,
  count
}: Run): Promise<string[]> {
  const told = await ask(`${server.url}/__rules`, {
    method: 'POST',
    headers: { 'x-control-key': controlKey },
    body: JSON.stringify(rules)
  })
  await told.body.dump()
  if (told.statusCode !== 204) throw new Error(`the app took no rules: ${told.statusCode}`)
  const gateway = await gateways.start(rules, server.url)
  const ports = { gateway: gateway.port, server: server.port, host: new URL(gateway.publicUrl).host }
  const problems: string[] = []
  await inParallel(recipes, requestsAtOnce, async ([recipe, moving]) => {
    const request = spell({ ...recipe, upgrade: recipe.upgrade && webSockets }, rules)
    if (request.target.length > longestTarget) return
    const wire = { ...request, moving: spellMoving(moving, request.target, rules) }
    const problem = await disagreement(wire, rules, gateways, ports, count)
    if (problem !== null) problems.push(problem)
  })
  await gateway.close({ delayMs: 0, timeoutMs: 100 })
  return problems.map((problem) => `${problem} rules: ${JSON.stringify(rules)}`)
}

/**
 * What is wrong with what became of a request that goes through the gateway with headers that could move something, by
 * a stranger and by somebody, held against the same request sent to the app's server without them; null where nothing is.
 */
async function disagreement(
  wire: WireRequest & { readonly moving: readonly string[] },
  rules: readonly RouteRule[],
  { cookie, userId }: Gateways,
  ports: { gateway: number; server: number; host: string },
  count: (what: string) => void
): Promise<string | null> {
  const anonymous = await outcome(ports.gateway, ports.host, wire, wire.moving)
  const identified = await outcome(ports.gateway, ports.host, wire, [...wire.moving, `Cookie: ${cookie}`])
  // Spaces around a target belong to the request line: the gateway reads past them, and not every server does.
  const bare = { ...wire, target: wire.target.replaceAll(/^ +| +$/g, '') }
  const direct = await outcome(ports.server, ports.host, bare, [])
  const say = (what: string) => `${what}: ${JSON.stringify({ wire, anonymous, identified, direct })}`

  if (direct.own) {
    count('own')
    return anonymous.routed === undefined && identified.routed === undefined ? null : say('not kept from the app')
  }
  if (identified.status === 431) {
    // The cookie was what made the head too long: a refusal, but not one that tells what the rules say.
    count('too long')
    return anonymous.user === '' ? null : say('named')
  }
  const verdict = verdictOf(anonymous, identified, userId)
  if (verdict === null) return say('no verdict')
  count(wire.upgrade ? `${verdict}, upgrade` : verdict)
  const takesSlashes = rules[direct.routed ?? -1]?.encodedSlashes === true
  const [path = '', ...query] = wire.target.split('?')
  const hasSlashes = /%2f/i.test(path) && rules.some(({ encodedSlashes }) => encodedSlashes === true)
  // Where a rule may take them, encoded slashes are slashes, and the two rules that they could lead to are one.
  const readable = hasSlashes ? [path.replaceAll(/%2f/gi, '/'), ...query].join('?') : wire.target
  const leadsTwoWays = hasSlashes && (!takesSlashes || (direct.within !== undefined && direct.within !== direct.routed))
  const isTwice = takesSlashes && isEncodedTwice(path)
  if (hasSlashes) count(`${verdict}, encoded slash`)
  if (verdict === 'refused') {
    const served = methods.some((method) => method === wire.method)
    const isClear = hasOneReading(readable) === true && !leadsTwoWays && !isTwice
    const plain = isClear && !isCutShort(wire) && (!hasSlashes || direct.within !== undefined)
    return served && plain ? say('refused for nothing') : null
  }
  if (hasOneReading(readable) === false) return say('not refused')
  if (direct.routed !== undefined && (leadsTwoWays || isTwice)) return say('an encoded slash leads two ways')
  if (direct.routed === undefined) return verdict === 'session' || verdict === 'deny' ? null : say('let through')
  const meant: Access = rules[direct.routed]?.access ?? 'session'
  if (verdict !== meant) return say(`judged as ${verdict}, but the app routes it as ${meant}`)
  for (const passed of [anonymous, identified]) {
    if (passed.routed === undefined) continue
    if (passed.routed !== direct.routed) return say('routed elsewhere')
    if (passed.digests !== direct.digests) return say('its bytes were changed')
  }
  return null
}

function isEncodedTwice(path: string): boolean {
  try {
    return /%(?:2[ef5]|5c)/i.test(decodeURIComponent(path))
  } catch {
    return false
  }
}

// daphne cuts parameters off the path of a handshake, so that those are refused, whichever server it is.
function isCutShort({ target, upgrade }: WireRequest): boolean {
  return upgrade && /;[^/]*$/.test(target.split('?')[0] ?? '')
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
    // What the server itself refuses has no rule; 401 before it is as good.
    return anonymous.status === 401 && [400, 404].includes(identified.status) ? 'session' : null
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

const untilToldOrRefused = /^HTTP\/1\.1 (?!101)[\s\S]*\r\n\r\n|X-Seen: \w+\r\n/

async function outcome(port: number, host: string, wire: WireRequest, more: readonly string[]): Promise<Outcome> {
  const lines = [
    `${wire.method} ${wire.target} HTTP/1.1`,
    `Host: ${host}`,
    ...more,
    ...(wire.upgrade ? upgrade : ['Connection: close'])
  ]
  const bytes = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
  const answer = readAnswer(await sendRaw(port, bytes, wire.upgrade ? untilToldOrRefused : undefined, 60_000))
  const { status } = answer
  // What the app says of a WebSocket is in its first message, which is framed once and not masked.
  const said = status === 101 ? /X-Routed: [\s\S]*\r\n/.exec(answer.body)?.[0] : undefined
  const told = said === undefined ? answer : readAnswer(`HTTP/1.1 101 \r\n${said}\r\n`)
  const routed = told.only('x-routed')
  return {
    status,
    routed: routed === undefined ? undefined : Number(routed),
    digests: ['x-path', 'x-target', 'x-seen'].map((name) => told.only(name)).join(' '),
    user: told.only('x-user') ?? '',
    within: told.only('x-within') ? Number(told.only('x-within')) : undefined,
    own: told.only('x-own') === 'True'
  }
}
