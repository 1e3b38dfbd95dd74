import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import root from 'tap'
import { request as ask } from 'undici'
import { withoutPython } from '../support/python.ts'
import { sendRaw } from '../support/raw-http.ts'
import { startUvicorn } from '../support/uvicorn.ts'
import { startGateways } from './gateways.ts'
import { everyNeighbour, lines, trailers } from './headers.ts'
import { falsehoods, type Seen, type Told } from './principal.ts'
import { allowTime, holds, inParallel } from './runs.ts'

const requestsAtOnce = 6

const request = fc.record({
  kind: fc.constantFrom('public', 'optional', 'session', 'deny', 'unruled'),
  place: fc.constantFrom(
    'ok',
    'ok',
    'error/418',
    'error/401',
    'error/500',
    'redirect',
    'slash',
    'missing',
    'ws',
    'ws-refused'
  ),
  method: fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'),
  identified: fc.boolean(),
  upgrade: fc.integer({ min: 0, max: 3 }).map((dice) => dice === 0),
  /** Whether the client's own lines come before those that it has to send. */
  linesFirst: fc.boolean(),
  lines,
  trailers
})
type Attempt = typeof request extends fc.Arbitrary<infer T> ? T : never

root.test(
  'whatever headers a client sends, FastAPI is told the truth once',
  { skip: await withoutPython() },
  async (t) => {
    allowTime(root, t)
    const controlKey = randomBytes(16).toString('hex')
    const uvicorn = await startUvicorn(t, {
      app: 'witness:app',
      dir: `${import.meta.dirname}/app`,
      env: { CONTROL_KEY: controlKey, FORWARDED_ALLOW_IPS: '' },
      args: ['--lifespan', 'off', '--no-access-log']
    })
    const gateways = await startGateways(t, uvicorn.url)
    const gateway = await gateways.start([
      { path: '/public/*', access: 'public' },
      { path: '/optional/*', access: 'optional' },
      { path: '/session/*', access: 'session' },
      { path: '/deny/*', access: 'deny' }
    ])
    const host = new URL(gateway.publicUrl).host
    const user = { id: gateways.userId, email: gateways.email, verified: false }
    let arrived = 0
    let sent = 0
    const arrivedKinds = new Map<string, number>()

    /** Sends them and finds what FastAPI was told wrongly. */
    async function lies(attempts: readonly Attempt[]): Promise<string[]> {
      await inParallel(
        attempts.map((attempt, index) => bytesOf(attempt, index, host, gateways.cookie)),
        requestsAtOnce,
        async (bytes) => {
          await sendRaw(gateway.port, bytes, /^HTTP\/1\.1 101[\s\S]*\r\n\r\n/)
        }
      )
      const response = await ask(`${uvicorn.url}/__witness`, { headers: { 'x-control-key': controlKey } })
      const seen = (await response.body.json()) as Seen[]
      arrived += seen.length
      sent += attempts.length
      const told = new Set<number>()
      return seen.flatMap((one) => {
        const index = Number(/\?case=(\d+)$/.exec(one.target)?.[1] ?? -1)
        const attempt = attempts[index]
        if (attempt === undefined || told.has(index)) return [`nobody asked: ${JSON.stringify(one)}`]
        told.add(index)
        const knows = attempt.identified && attempt.kind !== 'public'
        const kind = `${attempt.kind}, ${one.type}, ${attempt.identified ? 'identified' : 'anonymous'}`
        arrivedKinds.set(kind, (arrivedKinds.get(kind) ?? 0) + 1)
        const expected: Told = { user: knows ? user : null, clientAddress: '127.0.0.1', host }
        const problems = falsehoods(one, expected)
        if (attempt.kind === 'deny') problems.push('it was denied')
        if (['session', 'unruled'].includes(attempt.kind) && !knows) problems.push('nobody was signed in')
        if (one.headers.some(([, value]) => /better-auth(-\d+)?\./i.test(value)))
          problems.push('a cookie of BetterAuth')
        return problems.map((problem) => `${problem} of ${JSON.stringify({ attempt, one })}`)
      })
    }

    await t.test('with every token character in every place of the protected names', async (t) => {
      const names = everyNeighbour()
      const attempts: Attempt[] = []
      for (let from = 0; from < names.length; from += 40) {
        const forged = names.slice(from, from + 40).map((name) => `${name}: forged`)
        for (const kind of ['public', 'optional', 'session'] as const) {
          for (const identified of [true, false]) {
            const upgrade = (from / 40) % 4 === 0
            const place = upgrade ? 'ws' : 'ok'
            attempts.push({
              ...{ kind, place, method: 'GET', identified, upgrade, linesFirst: false, lines: forged, trailers: [] }
            })
          }
        }
      }
      t.same(await lies(attempts), [])
      // All but those without a session on a route that needs one.
      t.equal(arrived, (attempts.length / 6) * 5)
      t.comment(`${names.length} names in ${attempts.length} requests`)
    })

    await t.test('with any other headers', async (t) => {
      allowTime(t)
      await holds(t, fc.array(request, { minLength: 40, maxLength: 80, size: 'max' }), lies, 120)
      t.ok(arrived > sent / 4, `${arrived} of ${sent} requests reached FastAPI`)
      t.comment(JSON.stringify(Object.fromEntries(arrivedKinds)))
    })
  }
)

function bytesOf(attempt: Attempt, index: number, host: string, cookie: string): Buffer {
  const { kind, place, upgrade } = attempt
  const method = upgrade ? 'GET' : attempt.method
  const chunked = attempt.trailers.length > 0 && !upgrade && !['GET', 'HEAD', 'OPTIONS'].includes(method)
  const needed = [
    `Host: ${host}`,
    ...(attempt.identified ? [`Cookie: ${cookie}`] : []),
    ...(upgrade
      ? [
          'Connection: Upgrade',
          'Upgrade: websocket',
          'Sec-WebSocket-Version: 13',
          `Sec-WebSocket-Key: ${'A'.repeat(22)}==`
        ]
      : ['Connection: close']),
    ...(chunked ? ['Transfer-Encoding: chunked'] : [])
  ]
  const head = [
    `${method} /${kind}/${place}?case=${index} HTTP/1.1`,
    ...(attempt.linesFirst ? [...attempt.lines, ...needed] : [...needed, ...attempt.lines])
  ]
  const body = chunked ? `3\r\nabc\r\n0\r\n${attempt.trailers.map((line) => `${line}\r\n`).join('')}\r\n` : ''
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`, 'latin1')
}
