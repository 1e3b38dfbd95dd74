import fc from 'fast-check'
import t from 'tap'
import { encodeHeaderValue } from '../../proxy/request-headers.ts'

t.test('ordinary values pass as they are', async (t) => {
  for (const value of ['', 'abcDEF0189', 'ada@example.com', "a+b!#$&'*/=?^_`{|}~-.x"]) {
    t.equal(encodeHeaderValue(value), value)
  }
})

t.test('everything else is percent-encoded UTF-8', async (t) => {
  for (const [value, encoded] of [
    ['50%', '50%25'],
    ['a b', 'a%20b'],
    ['\u00e9', '%C3%A9'],
    ['\u20ac', '%E2%82%AC'],
    ['\u{1f511}', '%F0%9F%94%91'],
    ['a\r\nX-User-Id: b', 'a%0D%0AX-User-Id:%20b'],
    ['a\0b\tc\x7f', 'a%00b%09c%7F'],
    ['\u2028', '%E2%80%A8']
  ] as const) {
    t.equal(encodeHeaderValue(value), encoded)
  }
})

t.test('any value is one that a header can carry, and decodes to itself', async () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (value) => {
      const encoded = encodeHeaderValue(value)
      return /^[!-~]*$/.test(encoded) && decodeURIComponent(encoded) === value
    })
  )
})

t.test('a lone surrogate, which UTF-8 cannot say, does not break the request', async (t) => {
  t.equal(encodeHeaderValue('\ud800'), '%EF%BF%BD')
})
