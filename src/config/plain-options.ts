import { z } from 'zod'

// The pieces of which the options of BetterAuth are put together that a TOML file may have: what is text, number, yes or
// no, or a list of these. What they mean, and what they must not say together, is BetterAuth's business.

export const text = z.string('must be text')
export const texts = z.array(text, 'must be a list of texts')
export const flag = z.boolean('must be true or false')
export const number = z.number('must be a number')
export const count = z.int('must be a whole number').min(0, 'must not be below 0')
export const seconds = z.number('must be a number of seconds').min(0, 'must not be below 0')

/** A text that may also be in a variable, which then is named instead. */
export const textOrVariable = text.meta({ variable: true })
/** A text that has no place in a file: the variable that holds it is named instead. */
export const secret = text.min(1, 'must not be empty').meta({ secret: true })

/** One of these words. */
export function oneOf<const Words extends readonly [string, ...string[]]>(...words: Words) {
  return z.enum(words, `must be ${words.join(' or ')}`)
}

/** An option that the gateway has for itself, or that nobody may have, for this reason. */
export function refused(reason: string) {
  return z.never(reason).meta({ hidden: true })
}

/** An option that is a function, or is made by one. */
export const code = refused('needs code, which a TOML file cannot have: write the policy as gatehouse.config.ts')

type Shape<T> = { [Key in keyof T]-?: z.ZodType }

/** An object with options of the type `T`, each of which has to be mentioned, and no others. All of them may be left out. */
export function optionsOf<T>() {
  return function options<S extends Shape<T>>(shape: S & Record<Exclude<keyof S, keyof T>, never>) {
    return optionsIn(shape)
  }
}

/** An object with these options and no others, all of which may be left out. */
export function optionsIn(shape: Readonly<Record<string, z.ZodType>>) {
  const optional = Object.entries(shape).map(([key, type]): [string, z.ZodType] => [key, type.exactOptional()])
  return z.strictObject(Object.fromEntries(optional), {
    error: (issue) => (issue.code === 'invalid_type' ? 'must be a table of options' : undefined)
  })
}

/** An object by names of the operator's own. */
export function mapOf<T extends z.ZodType>(values: T) {
  return z.record(z.string(), values, 'must be a table')
}
