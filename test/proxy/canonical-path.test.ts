import t from 'tap'
import { canonicalTarget, isEncodedTwice, readEncodedSlashes } from '../../proxy/canonical-path.ts'

/** The path of a canonical target as FastAPI sees it: decoded, without the query string. */
function decodedPath(canonical: string): string {
  return decodeURIComponent(canonical.split('?', 1)[0] ?? '')
}

t.test('a path that is clear is read as FastAPI reads it: decoded once', async (t) => {
  const clear: Record<string, string> = {
    '/': '/',
    '/a/': '/a/',
    '/v1.2': '/v1.2',
    '/.well-known/x': '/.well-known/x',
    '/...': '/...',
    '/a..b': '/a..b',
    '/%61dmin': '/admin',
    '/users/%40me': '/users/@me',
    '/v1/jobs%3Acancel': '/v1/jobs:cancel',
    '/a/b%2Bc': '/a/b+c',
    '/C%23': '/C#',
    '/a%20b': '/a b',
    '/100%25': '/100%',
    '/%252e%252e': '/%2e%2e',
    '/caf%C3%A9': '/café',
    '/%E2%80%A8': '/\u2028',
    '/x?y=/../%00%': '/x'
  }
  for (const [target, path] of Object.entries(clear)) {
    const canonical = canonicalTarget(target)
    t.not(canonical, null, target)
    t.equal(decodedPath(canonical ?? ''), path, target)
  }
})

t.test('two spellings of one path have one canonical form', async (t) => {
  t.equal(canonicalTarget('/%7euser/%41'), canonicalTarget('/~user/A'))
  t.equal(canonicalTarget('/caf%c3%a9'), canonicalTarget('/caf%C3%A9'))
})

t.test('the query string keeps its bytes', async (t) => {
  t.equal(canonicalTarget('/%61?x=%zz&y=//../;'), '/a?x=%zz&y=//../;')
})

t.test('a path that could be read in two ways is read in none', async (t) => {
  const unclear = [
    ['dot segments', '/a/../b', '/a/..', '/./a', '/a/.', '/..', '/.'],
    ['encoded dot segments', '/a/%2e%2e/b', '/a/.%2e', '/%2E/', '/a/%2e.%3bx/b'],
    ['dot segments with a parameter', '/a/..;/b', '/a/..;x=1', '/.;/b'],
    ['empty segments', '//', '//a', '/a//b', '/a//'],
    ['backslashes', '/a\\b', '/a%5cb', '/a/..\\..\\b'],
    ['encoded slashes', '/a%2fb', '/a%2Fb'],
    ['fragments', '/a#b', '/a?b#c', '/#'],
    ['control characters', '/a%00', '/a%0d%0ab', '/a%1f', '/a%7f', '/a\u0001', '/a%c2%85'],
    ['bad percent-encoding', '/%', '/%2', '/%zz', '/a%u0041'],
    ['bytes that are not UTF-8', '/%ff', '/%c3', '/%c0%af', '/%ed%a0%80'],
    ['raw bytes outside ASCII', '/caf\u00e9', '/\u00ff'],
    ['other forms of target', '*', '', 'http://host/a', 'host:80', 'a']
  ]
  for (const [name, ...targets] of unclear) {
    for (const target of targets) t.equal(canonicalTarget(target), null, `${name}: ${JSON.stringify(target)}`)
  }
})

t.test('whatever is read is stable: reading it again changes nothing', async (t) => {
  for (const target of ['/a%20b', '/%25%32%35', '/C%23/%3F', '/%E2%82%AC;x=1']) {
    const once = canonicalTarget(target) ?? ''
    t.equal(canonicalTarget(once), once, target)
  }
})

t.test('an encoded slash is read in two ways, as a slash and as part of its segment', async (t) => {
  for (const [target, parting, within] of [
    ['/a%2Fb', '/a/b', '/a%00b'],
    ['/a%2fb%2Fc/d', '/a/b/c/d', '/a%00b%00c/d'],
    ['/a/b%2F', '/a/b/', '/a/b%00'],
    ['/%61%2Fb%20c?x=%2F', '/a/b%20c?x=%2F', '/a%00b%20c?x=%2F'],
    ['/a%2F100%25', '/a/100%25', '/a%00100%25'],
    ['/a%2F..b', '/a/..b', '/a%00..b']
  ] as const)
    t.same(readEncodedSlashes(target), { parting, within }, target)
})

t.test('no path that could be read in further ways is read at all', async (t) => {
  const further = [
    ['no encoded slash', '/a/b', '/a?b=%2F', '/', '/a%252Fb'],
    [
      'dot segments',
      '/a%2F..',
      '/a%2F../b',
      '/a/..%2Fb',
      '/..%2F',
      '/a%2F.%2Fb',
      '/a%2F%2e%2e%2Fb',
      '/a%2F..;x',
      '/../a%2Fb'
    ],
    ['empty segments', '/a%2F%2Fb', '/a/%2Fb', '/a%2F/b', '/%2Fa', '//a%2Fb'],
    ['backslashes', '/a%2F\\b', '/a%2F%5cb'],
    ['what is encoded twice', '/a%2F%252Fb', '/a%2F%252fb', '/a%2F%252e%252E', '/a%2F%255Cb', '/a%2F%25252Fb'],
    ['the rest', '/a%2F%00', '/a%2Fb#c', '/a%2Fb?c#d', '/a%2F%zz', '/a%2F%ff', '/a%2F\u00e9', 'a%2Fb', 'http://x/a%2Fb']
  ]
  for (const [name, ...targets] of further) {
    for (const target of targets) t.equal(readEncodedSlashes(target), null, `${name}: ${JSON.stringify(target)}`)
  }
})

t.test('what is encoded twice is seen in the path alone', async (t) => {
  for (const twice of ['/a%252Fb', '/a%252f', '/%252E', '/%255c', '/%25252F']) t.ok(isEncodedTwice(twice), twice)
  for (const once of ['/a%25', '/a%2541', '/a?b=%252F', '/a%252', '/%25/2F']) t.notOk(isEncodedTwice(once), once)
})
