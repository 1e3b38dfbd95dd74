import t from 'tap'
import { compileRules } from '../../proxy/compile-route-rules.ts'
import type { RouteRule } from '../../proxy/route-rules.ts'
import { requirementCheck, requirementsInWords } from '../../proxy/rule-requirements.ts'

const identity = {
  userId: 'u',
  email: 'a@example.com',
  emailVerified: true,
  sessionId: 's',
  name: 'A',
  signedInAt: 1_000_000,
  role: 'a,b',
  roles: ['a', 'b'],
  impersonatedBy: null,
  told: {}
}

t.test('a rule that asks for nothing has no check', async (t) => {
  t.equal(
    requirementCheck({}, () => 0),
    undefined
  )
})

t.test('a session is fresh for less than the seconds, to the millisecond, and never without a time', async (t) => {
  let now = 1_059_999
  const check = requirementCheck({ freshWithin: 60 }, () => now)
  t.equal(check?.(identity), undefined)
  now++
  t.match(check?.(identity), { code: 'SESSION_NOT_FRESH' })
  t.match(check?.({ ...identity, signedInAt: Number.NaN }), { code: 'SESSION_NOT_FRESH' })
})

t.test('one of several roles is enough, and a list is not a role', async (t) => {
  const check = (roles: string[]) => requirementCheck({ roles }, () => 0)?.(identity)
  t.equal(check(['x', 'b']), undefined)
  t.match(check(['x']), { code: 'ROLE_REQUIRED' })
  t.match(check(['a,b']), { code: 'ROLE_REQUIRED' })
})

const session = (path: string, more: Partial<RouteRule> = {}): RouteRule => ({ path, access: 'session', ...more })

t.test('two rules that ask for different things of the same requests are a problem, in whatever order', async (t) => {
  const clash = (a: Partial<RouteRule>, b: Partial<RouteRule>) =>
    compileRules([session('/x/:a', a), session('/x/:b', b)]).problems
  t.match(clash({ roles: ['admin'] }, {})[0], /say different things .*role admin/)
  t.equal(clash({ verified: true }, {}).length, 1)
  t.equal(clash({ freshWithin: 60 }, { freshWithin: 61 }).length, 1)
  t.equal(clash({ roles: ['a'] }, { roles: ['a', 'b'] }).length, 1)
  t.equal(clash({ keepOpen: true }, {}).length, 1)
  t.same(clash({ keepOpen: false }, {}), [])
  t.same(clash({ roles: ['a', 'b'], verified: true }, { verified: true, roles: ['b', 'a'] }), [])
})

t.test('only access "session" can ask for more than a session', async (t) => {
  for (const access of ['public', 'optional', 'deny'] as const) {
    for (const more of [{ roles: ['a'] }, { verified: true }, { freshWithin: 1 }] as const) {
      const { problems } = compileRules([{ path: '/x', access, ...more }])
      t.match(problems, [/"\/x" asks for more than a session \(.+\), which only access "session" can/])
    }
  }
  t.same(requirementsInWords({ roles: ['b', 'a', 'b'], verified: true, freshWithin: 60 }), [
    'role a or b',
    'verified email',
    'signed in within 60 s'
  ])
})

t.test('only where sessions are looked up can responses be kept open', async (t) => {
  for (const access of ['session', 'optional', 'public', 'deny'] as const) {
    const { problems } = compileRules([{ path: '/x', access, keepOpen: true }])
    t.equal(problems.length, access === 'session' || access === 'optional' ? 0 : 1, access)
    for (const problem of problems)
      t.match(problem, /"\/x" says keepOpen, which only access "session" or "optional" can/)
  }
})
