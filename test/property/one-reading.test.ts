import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import root from 'tap'
import { withoutPython } from '../support/python.ts'
import { startUvicorn } from '../support/uvicorn.ts'
import { startGateways } from './gateways.ts'
import { movingHeaders } from './moving.ts'
import { problemsOf } from './reading.ts'
import { ruleSet } from './rules.ts'
import { allowTime, holds } from './runs.ts'
import { request } from './spellings.ts'

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
    const gateways = await startGateways(t)
    const counts = new Map<string, number>()
    const count = (what: string) => counts.set(what, (counts.get(what) ?? 0) + 1)

    await holds(
      t,
      fc.tuple(ruleSet, fc.array(fc.tuple(request, movingHeaders), { minLength: 80, maxLength: 160, size: 'max' })),
      ([rules, recipes]) =>
        problemsOf({ gateways, server: uvicorn, controlKey, rules, recipes, webSockets: true, count }),
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
