import fc from 'fast-check'
import t from 'tap'
import { pageAddresses } from '../../../auth/pages/page-addresses.ts'
import { returnAddress as readAddress } from '../../../auth/pages/return-address.ts'

const home = 'https://house.example'
const pages = pageAddresses('/auth')
const returnAddress = (given: unknown, origin: string) => readAddress(given, origin, pages)
const good = [
  ['/', '/'],
  ['/private', '/private'],
  ['/private/', '/private/'],
  ['/a%20b?x=1&y=%2F%2Fz#part', '/a%20b?x=1&y=%2F%2Fz#part'],
  ['/a?next=https://evil.example', '/a?next=https://evil.example'],
  ['/a b', undefined],
  ['/a?q=a b', '/a?q=a%20b'],
  ['/café', '/caf%C3%A9'],
  ['/auth/account', '/auth/account'],
  ['/auth/account?notice=profile', '/auth/account?notice=profile'],
  ['/authors', '/authors'],
  ['/@evil.example', '/@evil.example']
] as const

for (const [given, expected] of good) {
  t.test(`${given} leads ${expected === undefined ? 'nowhere' : 'there'}`, async (t) => {
    t.equal(returnAddress(given, home), expected)
  })
}

t.test('the pages for strangers are no place to return to', async (t) => {
  for (const path of ['/auth', '/auth?x', '/auth/sign-in', '/auth/sign-in?next=/', '/auth/sign-out', '/auth/accounts'])
    t.equal(returnAddress(path, home), undefined, path)
})

t.test('what is longer than 2,048 bytes is its path alone', async (t) => {
  t.equal(returnAddress(`/a?${'x'.repeat(2_045)}`, home)?.length, 2_048)
  t.equal(returnAddress(`/a?${'x'.repeat(2_046)}`, home), '/a')
  t.equal(returnAddress(`/a?${'é'.repeat(1_100)}`, home), '/a')
  t.equal(returnAddress(`/${'a'.repeat(2_048)}`, home), undefined)
  t.equal(returnAddress(`/${'é'.repeat(1_100)}`, home), undefined)
})

t.test('what is no text leads nowhere', async (t) => {
  for (const value of [undefined, null, 1, ['/a'], {}, '']) t.equal(returnAddress(value, home), undefined)
})

t.test('whatever is given, a browser stays here', async (t) => {
  const pieces = fc.constantFrom(
    '/',
    '\\',
    '.',
    ':',
    '@',
    '?',
    '#',
    ' ',
    '\t',
    '\n',
    '\r',
    '\0',
    '%2f',
    '%5c',
    '%09',
    '%00',
    '%2e',
    ';',
    '//',
    'https:',
    'javascript:',
    'evil.example',
    'a',
    '\u2028',
    '／',
    '。',
    '[',
    ']',
    '/auth',
    'é',
    '\ud800'
  )
  const texts = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(pieces, { maxLength: 8 }).map((parts) => parts.join(''))
  )
  fc.assert(
    fc.property(texts, (value) => {
      const address = returnAddress(value, home)
      if (address === undefined) return true
      return (
        /^\/(?![/\\])[\x21-\x7e]*$/.test(address) &&
        new URL(address, `${home}/auth/sign-in`).origin === home &&
        new URL(pages.signInTo(address), home).searchParams.get('next') === address
      )
    }),
    { numRuns: 3_000 }
  )
  t.pass('no counterexample was found')
})
