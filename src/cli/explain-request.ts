import type { Access } from '../../proxy/route-policy.ts'
import { ConfigError } from '../config.ts'
import type { Settings } from '../settings.ts'
import { decide, explanation, outranked } from './explain.ts'
import { type Asker, receivedLines } from './received.ts'

// Whom a rule lets through when no jar says who asks.
const askers: Readonly<Record<Access, Asker | undefined>> = {
  public: 'stranger',
  optional: 'somebody',
  session: 'somebody',
  deny: undefined
}

/**
 * Says in lines which rule decides a request and over which others, what it comes to with the cookies of a jar, and what
 * the server behind the gateway receives. Of a whole address the path counts. Throws a ConfigError when there is no path
 * or the jar cannot be read.
 */
export async function explain(
  method: string,
  given: string,
  settings: Settings,
  cookieJar: string | undefined
): Promise<string[]> {
  // Not by a URL parser, which would resolve the dots that the gateway refuses.
  const target = given.replace(/^https?:\/\/[^/?#]+/i, '') || '/'
  if (given === '' || !target.startsWith('/'))
    throw new ConfigError(['PATH: must begin with "/", as in /users/7?tab=posts'])
  const decision = await decide(method, target, settings)
  if (decision.kind !== 'rule') return explanation(decision)
  const { rule } = decision
  const lines = explanation(decision, await outranked(method, target, settings, rule))
  let asker: Asker | undefined = askers[rule.access]
  if (cookieJar !== undefined) {
    const { judgeJar, outcomeOf } = await import('./session-in-jar.ts')
    const verdict = await judgeJar(cookieJar, settings)
    const outcome = outcomeOf(rule, verdict)
    lines.push(`cookie  ${verdict.outcome}: ${verdict.why}`, `result  ${outcome.sentence}`)
    asker = outcome.asker
  }
  return asker === undefined ? lines : [...lines, ...receivedLines(settings, rule, asker)]
}
