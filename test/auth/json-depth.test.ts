import fc from 'fast-check'
import t from 'tap'
import { nestsDeeper } from '../../auth/body-limits.ts'

const deeper = (text: string, levels: number) => nestsDeeper(Buffer.from(text), levels)

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  return 1 + Math.max(0, ...Object.values(value).map(depthOf))
}

t.test('JSON is as deep as its arrays and objects are inside each other', async (t) => {
  t.equal(deeper('[[1],[2],{"a":[3]}]', 3), false)
  t.equal(deeper('[[1],[2],{"a":[3]}]', 2), true)
  t.equal(deeper('[]', 0), true)
  t.equal(deeper('7', 0), false)
})

t.test('what stands in a string is text', async (t) => {
  t.equal(deeper('["[[[[{{{{", "\\"[[[[", "\\\\", "\\u005b[["]', 1), false)
  t.equal(deeper('["\\\\", [1]]', 1), true, 'a backslash that is itself escaped ends no string')
})

t.test('whatever JSON it is, written in one line or in many', async () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 9 }), fc.nat(10), fc.constantFrom(0, 2), (value, levels, indent) => {
      return deeper(JSON.stringify(value, null, indent), levels) === depthOf(value) > levels
    })
  )
})

t.test('each byte is looked at once, and no byte after the one that is too deep', async (t) => {
  const looks = (text: string) => {
    let count = 0
    const bytes = new Proxy(Buffer.from(text), {
      get(target, key) {
        if (key !== 'length') count++
        return Reflect.get(target, key, target)
      }
    })
    nestsDeeper(bytes, 64)
    return count
  }
  t.equal(looks(`"${'['.repeat(10_000)}"`), 10_002)
  t.equal(looks('[]'.repeat(5_000)), 10_000)
  t.equal(looks('['.repeat(10_000)), 65)
})
