import { isIP } from 'node:net'
import { resolve } from 'node:path'
import { z } from 'zod'

/** Says what is wrong with a variable, never what was in it, and stops reading it. */
export function refuse(context: z.core.$RefinementCtx, message: string): never {
  context.issues.push({ code: 'custom', message, input: undefined })
  return z.NEVER
}

/** A whole number between two bounds, both allowed. */
export function wholeNumber(from: number, to: number) {
  const message = `must be a whole number from ${from} to ${to}`
  return z
    .string()
    .regex(/^\d{1,16}$/, message)
    .transform(Number)
    .pipe(z.number().min(from, message).max(to, message))
}

/** Seconds, with up to three decimals, read as milliseconds. */
export function seconds(from: number, to: number) {
  const message = `must be a number of seconds from ${from} to ${to}`
  return z
    .string()
    .regex(/^\d{1,9}(\.\d{1,3})?$/, message)
    .transform((text) => Math.round(Number(text) * 1000))
    .pipe(
      z
        .number()
        .min(from * 1000, message)
        .max(to * 1000, message)
    )
}

/** Exactly `true` or `false`. */
export const yesOrNo = z.enum(['true', 'false'], 'must be true or false').transform((text) => text === 'true')

/** The address or host name of a listener, as Node's `listen` takes it. */
export const listenHost = z.string().transform((text, context) => {
  const bare = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text
  if (isIP(bare) !== 0) return bare
  if (/^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i.test(bare)) return bare
  return refuse(context, 'must be an address or a host name, without a port')
})

/** Number of worker processes. */
export const workerCount = z.string().transform((text, context): number | 'auto' => {
  if (text === 'auto') return 'auto'
  const count = /^\d{1,3}$/.test(text) ? Number(text) : 0
  return count >= 1 && count <= 128 ? count : refuse(context, 'must be a whole number from 1 to 128, or auto')
})

/** A path that is answered on the public listener whatever the policy says, so it must not hide an auth route. */
export const healthPath = z.string().transform((text, context) => {
  if (!/^(\/[A-Za-z0-9._~-]+)+$/.test(text) || text.split('/').some((segment) => segment === '.' || segment === '..'))
    return refuse(context, 'must be an absolute path of letters, digits, ".", "_", "~" and "-", such as /healthz')
  if (/^\/(api\/auth|auth)(\/|$)/.test(text)) return refuse(context, 'must not lie under /api/auth or /auth')
  return text
})

/** A header value: visible ASCII, no spaces. */
export const headerToken = z.string().regex(/^[!-~]{1,4096}$/, 'must be visible ASCII characters without spaces')

/** A path on this machine, made absolute. */
export function pathFrom(cwd: string) {
  return z
    .string()
    .refine((text) => !text.includes('\0'), 'must be a path')
    .transform((text) => resolve(cwd, text))
}

/** The items of a comma list, trimmed; an empty item is a problem. */
export function commaList<T>(read: (item: string) => T | null, expected: string) {
  return z.string().transform((text, context): readonly T[] => {
    const items: T[] = []
    for (const [index, item] of text.split(',').entries()) {
      const value = read(item.trim())
      if (value === null) refuse(context, `item ${index + 1} of the list must be ${expected}`)
      else items.push(value)
    }
    return items
  })
}
