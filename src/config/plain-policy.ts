import { isRecord } from '../../db/type-guards.ts'

// What lies deeper in `auth` is BetterAuth's business: validators of fields and their default values are of classes.
const deepestInAuth = 3

/**
 * The objects of a policy that have a prototype of their own, in sentences that begin with their places. What is judged and
 * kept of an object are its own keys: what comes from a class or a prototype, such as the roles of a rule, would be lost.
 */
export function problemsOfPrototypes(policy: unknown): string[] {
  const seen = new Set<unknown>()
  return [...problemsBelow(policy, '')]

  function* problemsBelow(value: unknown, place: string, left = Number.POSITIVE_INFINITY): Generator<string> {
    if (typeof value !== 'object' || value === null || left < 0 || seen.has(value)) return
    seen.add(value)
    if (Array.isArray(value)) {
      for (const [index, item] of value.entries()) yield* problemsBelow(item, `${place}[${index}]`, left - 1)
      return
    }
    if (!isPlain(value)) {
      yield `${place === '' ? '' : `${place}: `}is not a plain object: what it has from a class or a prototype would be lost; write it as { … }`
      return
    }
    for (const [key, item] of Object.entries(value)) {
      const at = place === '' ? key : `${place}.${key}`
      // Plugins are code.
      if (at !== 'auth.plugins') yield* problemsBelow(item, at, at === 'auth' ? deepestInAuth : left - 1)
    }
  }
}

/** Whether an object has nothing but what is its own. */
export function isPlain(value: unknown): boolean {
  if (!isRecord(value)) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
