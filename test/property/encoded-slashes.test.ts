import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import root from 'tap'
import type { RouteRule } from '../../proxy/route-rules.ts'
import { withoutServers } from '../support/python.ts'
import { startGateways } from './gateways.ts'
import { problemsOf } from './reading.ts'
import { nestedRuleSet } from './rules.ts'
import { allowTime, holds } from './runs.ts'
import { pairings, startPairing, uvicorn } from './servers.ts'
import { slashedRequest } from './spellings.ts'

// An encoded slash must lead around neither of the others.
const files: readonly RouteRule[] = [
  { path: '/files/*', access: 'public', encodedSlashes: true },
  { path: '/files/private/*', access: 'session', encodedSlashes: true },
  { path: '/files/:id/admin', access: 'session' }
]
const servers = {
  uvicorn,
  hypercorn: pairings['hypercorn with FastAPI'],
  granian: pairings['granian with FastAPI'],
  daphne: pairings['daphne with FastAPI'],
  gunicorn: pairings['gunicorn with Flask']
}

root.test(
  'an encoded slash leads to the rule that was judged, and to no other, whether or not a server decodes it',
  { skip: await withoutServers() },
  async (t) => {
    allowTime(root, t)
    const gateways = await startGateways(t)
    for (const [name, pairing] of Object.entries(servers)) {
      await t.test(name, async (t) => {
        allowTime(t)
        if (pairing === undefined) throw new Error(`${name} is not among the pairings`)
        const controlKey = randomBytes(16).toString('hex')
        const server = await startPairing(t, pairing, controlKey)
        const counts = new Map<string, number>()
        const count = (what: string) => counts.set(what, (counts.get(what) ?? 0) + 1)
        const { webSockets } = pairing
        await holds(
          t,
          fc.tuple(nestedRuleSet(files), fc.array(slashedRequest, { minLength: 60, maxLength: 100, size: 'max' })),
          ([rules, requests]) =>
            problemsOf({
              gateways,
              server,
              controlKey,
              rules,
              recipes: requests.map((request) => [request, []]),
              webSockets,
              count
            }),
          25
        )
        t.comment(JSON.stringify(Object.fromEntries(counts)))
        for (const verdict of ['public', 'session', 'refused'])
          t.ok((counts.get(`${verdict}, encoded slash`) ?? 0) > 10, `encoded slashes that are ${verdict}`)
      })
    }
  }
)
