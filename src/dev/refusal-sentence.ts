import type { FastifyRequest } from 'fastify'
import { type RefusalCode, refusals } from '../../auth/refusals.ts'
import { requirementsInWords } from '../../proxy/route-rules.ts'
import { ruleInWords } from '../cli/explain.ts'
import { createRouteMatcher } from '../cli/route-decision.ts'
import type { Settings } from '../config/load-settings.ts'

/**
 * Makes the function that says why a request was refused, in the words of `gatehouse explain`: which rule decided, and
 * what it asks for. Undefined where it was not refused.
 */
export function createRefusalSentence(
  settings: Settings
): (request: FastifyRequest | undefined, code: string | undefined) => Promise<string | undefined> {
  const decide = createRouteMatcher(settings)
  return async function whyRefused(request, given) {
    const rule = request?.context?.rule
    // A page load is sent to sign in, which is no refusal to the access log.
    const code = given ?? (isSentToSignIn(request) ? 'SESSION_REQUIRED' : undefined)
    if (code === undefined || !isRefusalCode(code)) return undefined
    if (request !== undefined && (code === 'PATH_AMBIGUOUS' || code === 'METHOD_NOT_ALLOWED')) {
      const decision = await decide(request.method, request.originalUrl)
      if (decision.kind === 'refused') return decision.reason
    }
    if (rule !== undefined && code === 'SESSION_REQUIRED')
      return `rule ${ruleInWords(rule)}${rule.access === 'session' ? ', and no session came with it' : ''}`
    if (rule?.access === 'deny') return `rule ${ruleInWords(rule)}: denied, whoever asks`
    const needs = rule === undefined ? [] : requirementsInWords(rule)
    if (rule !== undefined && refusals[code][0] === 403 && needs.length > 0 && code !== 'ORIGIN_FORBIDDEN')
      return `rule ${ruleInWords(rule)} needs ${needs.join(', ')}`
    return refusals[code][2]
  }
}

function isSentToSignIn(request: FastifyRequest | undefined): boolean {
  const context = request?.context
  return context?.rule?.access === 'session' && context.identity === null
}

function isRefusalCode(code: string): code is RefusalCode {
  return Object.hasOwn(refusals, code)
}
