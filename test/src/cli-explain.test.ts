import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { gatehouse, startGatehouse } from './gatehouse.ts'

t.test('explain --cookie-jar says who the cookies make the asker', async (t) => {
  const cwd = t.testdir({
    'gatehouse.config.ts': `export default { routes: [
      { path: '/feed', access: 'optional' }, { path: '/internal', access: 'deny' }
    ] }`
  })
  const gateway = await startGatehouse(cwd)
  const response = await fetch(`${gateway.publicUrl}/api/auth/sign-up/email`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: gateway.publicUrl },
    body: JSON.stringify({ name: 'Ada', email: 'ada@example.com', password: 'correct horse' })
  })
  t.equal(response.status, 200)
  const [cookie = ''] = response.headers.getSetCookie()
  const [name, value = ''] = (cookie.split(';')[0] ?? '').split('=')
  t.equal(await gateway.stop(), 0)

  const jar = (content: string) => {
    writeFileSync(
      join(cwd, 'jar'),
      `# Netscape HTTP Cookie File\n#HttpOnly_localhost\tFALSE\t/\tFALSE\t0\t${name}\t${content}\n`
    )
    // The cookie's name tells the origin's port.
    const env = { BETTER_AUTH_URL: gateway.publicUrl }
    return async (path: string) => (await gatehouse(['explain', 'GET', path, '--cookie-jar', 'jar'], cwd, env)).stdout
  }
  const good = jar(value)
  const me = await good('/me')
  t.match(me, /^cookie {2}identified: user \S+, until 20/m)
  t.match(me, /^result {2}forwarded with the identity$/m)
  t.match(me, /^sends {3}X-User-Id: [\w-]+$/m)
  t.match(me, /^sends {3}X-User-Email: ada@example\.com\nsends {3}X-User-Email-Verified: false$/m)
  t.notMatch(me, value.slice(0, 20), 'the cookie is not printed')
  t.match(await good('/internal'), /^result {2}404 NOT_FOUND\n$/m, 'and nothing is sent')

  const forged = jar(`${value[0] === 'A' ? 'B' : 'A'}${value.slice(1)}`)
  t.match(await forged('/me'), /^cookie {2}anonymous: .*altered\nresult {2}401 SESSION_REQUIRED\n$/m)
  t.match(await forged('/feed'), /^result {2}forwarded without an identity$/m)
  t.notMatch(await forged('/feed'), /X-User-/)

  const none = await gatehouse(['explain', 'GET', '/me', '--cookie-jar', 'nowhere'], cwd)
  t.equal(none.status, 2)
  t.match(none.stderr, /^--cookie-jar: .*ENOENT/)
})

t.test('explain says which rules the one that decides outranks, and what the server behind it receives', async (t) => {
  const cwd = t.testdir({
    site: {},
    'gatehouse.config.ts': `export default {
      upstreams: { other: { url: 'http://127.0.0.1:9', token: 'canary-0123456789' }, site: { directory: 'site' } },
      routes: [
        { path: '/users/:id', access: 'session' }, { path: '/users/*', access: 'deny' }, { path: '/posts/*', access: 'deny' },
        { path: '/users/me', access: 'public', methods: ['GET'] },
        { path: '/other', access: 'optional', upstream: 'other' }, { path: '/site/*', access: 'session', upstream: 'site' }
      ] }`
  })
  const env = { BETTER_AUTH_URL: 'http://localhost:8123', UPSTREAM_TOKEN: 'canary-of-sixteen-or-more-characters' }
  const explain = async (...args: string[]) => {
    const { status, stdout } = await gatehouse(['explain', ...args], cwd, env)
    t.equal(status, 0)
    t.notMatch(stdout, 'canary')
    return stdout
  }
  const me = await explain('GET', '/users/me')
  t.match(
    me,
    /^rule {4}\/users\/me \(GET\)\nover {4}\/users\/:id \(any method\), which .*\nover {4}\/users\/\* .*\naccess {2}public$/m
  )
  t.match(me, /^sends {3}Host: localhost:8123\n/m)
  t.match(me, /^sends {3}X-Gatehouse-Token: \(not shown\)$/m)
  t.notMatch(me, /X-User-/)
  t.match(await explain('POST', '/users/me'), /^rule {4}\/users\/:id .*\nover {4}\/users\/\* /m)
  t.match(await explain('GET', '/users/7'), /^sends {3}X-User-Id: \(of whoever is signed in\)$/m)
  t.match(await explain('GET', '/other'), /^sends {3}X-Gatehouse-Token: \(not shown\)$/m)
  t.match(await explain('GET', '/site/a'), /^sends {3}nothing: /m)
  t.notMatch(await explain('GET', '/posts/7'), /^sends/m)
})

t.test('explain says what becomes of an encoded slash, and what to write', async (t) => {
  const cwd = t.testdir({
    'gatehouse.config.ts': `export default { routes: [
      { path: '/files/*', access: 'public', encodedSlashes: true }, { path: '/files/:id/admin', access: 'session' },
      { path: '/notes/*', access: 'public' }
    ] }`
  })
  const explain = async (path: string) => (await gatehouse(['explain', 'GET', path], cwd)).stdout
  const passes = await explain('/files/a%2Fb')
  t.match(passes, /^rule {4}\/files\/\* \(any method\)$/m)
  t.match(passes, /^takes {3}an encoded slash/m)
  const refusals: [path: string, reason: RegExp][] = [
    ['/files/7%2Fadmin', /as a slash it meets the rule for \/files\/:id\/admin, in a segment the rule for \/files\/\*/],
    ['/notes/a%2Fb', /the rule for \/notes\/\* does not say encodedSlashes: true/],
    ['/other/a%2Fb', /no rule names it/],
    ['/files%2Fa', /as a slash it meets the rule for \/files\/\*, in a segment no rule/],
    ['/api/auth/a%2Fb', /the gateway itself takes in no path/],
    ['/files/a%252Fb', /percent-encoded twice/],
    ['/files/a%2F..%2Fb', /could be read in two ways/]
  ]
  for (const [path, reason] of refusals) {
    const said = await explain(path)
    t.match(said, /^rule {4}none\nanswer {2}400 PATH_AMBIGUOUS: /, path)
    t.match(said, reason, path)
  }
  const { stdout } = await gatehouse(['routes'], cwd)
  t.match(stdout, /\/files\/\* .*; %2F passes$/m)
  t.notMatch(stdout, /\/notes\/\* .*%2F/)
})

t.test('explain knows that a document is not there for who has no session', async (t) => {
  const cwd = t.testdir({ 'gatehouse.config.ts': 'export default { routes: [] }' })
  const explain = async (method: string, path: string) => (await gatehouse(['explain', method, path], cwd)).stdout
  t.match(await explain('GET', '/.well-known/x'), /^answer {2}.*otherwise 404 NOT_FOUND$/m)
  t.match(await explain('POST', '/.well-known/x'), /^answer {2}.*otherwise 401 SESSION_REQUIRED/m)
})
