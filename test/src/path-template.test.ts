import fc from 'fast-check'
import t from 'tap'
import { compileRules } from '../../proxy/compile-route-rules.ts'
import type { RouteRule } from '../../proxy/route-rules.ts'
import { pathTemplate } from '../../src/cli/path-template.ts'
import { createRouteMatcher } from '../../src/cli/route-decision.ts'
import { defineConfig } from '../../src/policy-file.ts'

const config = { pages: false, publicHealthPath: undefined }
const literal = fc.constantFrom('a', 'b', 'ab', 'users', 'me')
const template = fc
  .array(fc.oneof(literal, fc.constantFrom('{x}', 'a{x}', '{x}b', '{x:path}')), { minLength: 1, maxLength: 4 })
  .map((segments) => `/${segments.join('/')}`)
const rules = fc.uniqueArray(
  fc
    .tuple(fc.array(fc.oneof(literal, fc.constant(':p')), { maxLength: 4 }), fc.boolean())
    .map(([segments, wild]) => `/${segments.join('/')}${wild ? (segments.length === 0 ? '*' : '/*') : ''}`),
  { maxLength: 6 }
)
const values = fc.array(fc.constantFrom('a', 'b', 'ab', 'users', 'me', 'zz', 'z'), { minLength: 1, maxLength: 3 })

t.test('no instance of a template is decided by a rule that its listed instances do not meet', async (t) => {
  await fc.assert(
    fc.asyncProperty(template, rules, fc.array(values, { minLength: 6, maxLength: 6 }), async (path, paths, chosen) => {
      const policy = paths.map((rule): RouteRule => ({ path: rule, access: 'public' }))
      const decide = createRouteMatcher({ config, policy: defineConfig({}), routes: compileRules(policy).routes })
      const judge = async (target: string) => {
        const decision = await decide('GET', target)
        return decision.kind === 'rule' ? decision.rule.path : decision.kind
      }
      const { instances, matches } = pathTemplate(path)
      const listed = instances(paths)
      for (const instance of listed) if (!matches(instance)) throw new Error(`${instance} is none of ${path}`)
      const met = new Set<string>()
      for (const instance of listed) met.add(await judge(instance))
      let next = 0
      const some = path.replaceAll(/\{x(:path)?\}/g, (_, several?: string) => {
        const value = chosen[next++ % chosen.length] ?? ['z']
        return several === undefined ? (value[0] ?? 'z') : value.join('/')
      })
      const decided = await judge(some)
      if (!met.has(decided))
        throw new Error(`${some} of ${path} is decided by ${decided}, and only ${[...met]} were met`)
    }),
    { numRuns: 150 }
  )
  t.pass('each was met')
})
