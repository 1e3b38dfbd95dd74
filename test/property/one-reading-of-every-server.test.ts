import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import root from 'tap'
import { withoutServers } from '../support/python.ts'
import { startGateways } from './gateways.ts'
import { movingHeaders } from './moving.ts'
import { problemsOf } from './reading.ts'
import { ruleSet } from './rules.ts'
import { allowTime, holds } from './runs.ts'
import { pairings, startPairing } from './servers.ts'
import { request } from './spellings.ts'

// gunicorn's own limit; the others' are higher.
const longestTarget = 4_000

root.test(
  'the path that the policy judges is the path that every server and framework serves, whatever headers a client sends',
  { skip: await withoutServers() },
  async (t) => {
    allowTime(root, t)
    const gateways = await startGateways(t)
    for (const [name, pairing] of Object.entries(pairings)) {
      await t.test(name, async (t) => {
        allowTime(t)
        const controlKey = randomBytes(16).toString('hex')
        const server = await startPairing(t, pairing, controlKey)
        const counts = new Map<string, number>()
        const count = (what: string) => counts.set(what, (counts.get(what) ?? 0) + 1)
        const { webSockets } = pairing
        await holds(
          t,
          fc.tuple(ruleSet, fc.array(fc.tuple(request, movingHeaders), { minLength: 60, maxLength: 100, size: 'max' })),
          ([rules, recipes]) =>
            problemsOf({
              gateways,
              server,
              controlKey,
              rules,
              recipes,
              webSockets,
              longestTarget,
              count
            }),
          3
        )
        t.comment(JSON.stringify(Object.fromEntries(counts)))
      })
    }
  }
)
