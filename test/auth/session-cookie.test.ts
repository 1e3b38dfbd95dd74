import t from 'tap'
import { readCookie } from '../../auth/cookie-header.ts'
import { createCookieSigner } from '../../auth/signed-cookie.ts'

const name = 'better-auth.session_token'
const signer = createCookieSigner('a secret of at least thirty-two characters')
const value = signer.sign('token')

t.test('a signed cookie gives its token', async (t) => {
  t.same(signer.verify(value), { token: 'token', key: value, isOutdated: false })
})

t.test('the same cookie without percent-encoding is the same key', async (t) => {
  t.same(signer.verify(decodeURIComponent(value)), { token: 'token', key: value, isOutdated: false })
})

t.test('a cookie with any character changed is nobody', async (t) => {
  for (let i = 0; i < value.length; i++) {
    const other = value[i] === 'A' ? 'B' : 'A'
    const forged = value.slice(0, i) + other + value.slice(i + 1)
    t.equal(signer.verify(forged), null, forged)
  }
})

t.test('only one spelling of a signature counts', async (t) => {
  const decoded = decodeURIComponent(value)
  const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
  const last = digits.indexOf(decoded.at(-2) ?? '')
  for (const low of [0, 1, 2, 3]) {
    const spelling = `${decoded.slice(0, -2)}${digits[(last & ~3) | low]}=`
    t.equal(signer.verify(spelling) !== null, spelling === decoded, spelling)
  }
  t.equal(signer.verify(decoded.slice(0, -1)), null, 'without padding')
  t.equal(signer.verify(decoded.replaceAll('+', '-').replaceAll('/', '_')) === null, /[+/]/.test(decoded))
})

t.test('what is no cookie of ours is nobody and throws nothing', async (t) => {
  for (const odd of ['', '.', 'token', 'token.', '.sig', '%', '%ff', 'a.b.c', `${'x'.repeat(10_000)}.`]) {
    t.equal(signer.verify(odd), null, odd)
  }
})

t.test('what was found forged is found forged again, and stands in nobody else’s way', async (t) => {
  const forged = createCookieSigner('another secret, also thirty-two characters').sign('token')
  for (let times = 0; times < 3; times++) {
    t.equal(signer.verify(forged), null)
    t.same(signer.verify(value), { token: 'token', key: value, isOutdated: false })
  }
})

t.test('another secret signs nothing of ours', async (t) => {
  t.equal(createCookieSigner('another secret, also thirty-two characters').verify(value), null)
})

t.test('what the previous secret signed is valid, and its key is what the current one signs', async (t) => {
  const next = 'the next secret, also of thirty-two characters'
  const rotating = createCookieSigner(next, 'a secret of at least thirty-two characters')
  const anew = createCookieSigner(next).sign('token')
  t.same(rotating.verify(value), { token: 'token', key: anew, isOutdated: true })
  t.same(rotating.verify(anew), { token: 'token', key: anew, isOutdated: false })
  const stranger = createCookieSigner('another secret, also thirty-two characters').sign('token')
  for (let times = 0; times < 2; times++) t.equal(rotating.verify(stranger), null)
})

t.test('a Cookie header is read by exact name', async (t) => {
  t.same(readCookie(undefined, name), { kind: 'absent' })
  t.same(readCookie(`x${name}=1; ${name}x=2; a=${name}`, name), { kind: 'absent' })
  t.same(readCookie(`a=1; ${name}=v=w; b=2`, name), { kind: 'present', value: 'v=w' })
  t.same(readCookie(`a=1;${name}=v`, name), { kind: 'present', value: 'v' })
  t.same(readCookie(`a=1; \t${name}\t = v`, name), { kind: 'present', value: 'v' })
  t.same(readCookie(`\xa0${name}=v; ${name}\xa0=v`, name), { kind: 'absent' }, 'another name to the browser')
})

t.test('two different session cookies are ambiguous, the same one twice is not', async (t) => {
  t.same(readCookie(`${name}=a; ${name}=a`, name), { kind: 'present', value: 'a' })
  t.same(readCookie(`${name}=a; x=1; ${name}=b`, name), { kind: 'ambiguous' })
  t.same(readCookie(`${name}=; ${name}=b`, name), { kind: 'ambiguous' })
})
