import t from 'tap'
import { withoutPython } from '../support/python.ts'
import { startRoutedGateway } from '../support/routed.ts'

const skip = await withoutPython()

t.test('a protected path is protected in every spelling that FastAPI routes to it', { skip }, async (t) => {
  const { ask, host } = await startRoutedGateway(t)
  const long = 'x'.repeat(12_000)
  const paths = [
    // encoded letters, and what is encoded twice
    '/%61dmin',
    '/%61%64%6D%69%6e',
    '/admin/%78',
    '/%2561dmin',
    '/adm%C4%B1n',
    '/%EF%BD%81dmin',
    '/a%64min/',
    // upper case
    '/ADMIN',
    '/Admin/x',
    '/%41dmin',
    // slashes at the end, parameters, spaces
    '/admin/',
    '/admin/x/',
    '/admin;',
    '/admin;x=/public/',
    '/admin%3B',
    '/admin%20',
    '/admin%09',
    '/admin.',
    '/admin.json',
    '/admin%3F',
    '/admin%23',
    '/admin%2Fx',
    // a query string is no path
    '/admin?x=/public/',
    '/admin?/public/x',
    '/admin?/../public/x',
    '/admin/x?path=%2Fpublic%2Fx&/users/ada',
    '/admin??',
    '/admin?%2e%2e/%00/%zz//',
    '/users/ada/secret?/users/ada',
    // long
    `/admin/${long}`,
    `/admin?${long}`,
    `/${long}`,
    // through what is public
    '/publicx',
    '/public%2F..%2Fadmin',
    '/users/ada/secret',
    '/users/%61da/secret',
    '/users/ada/secret/',
    '/users/ada%2Fsecret',
    // denied
    '/closed',
    '/%63losed',
    '/closed/',
    '/closed?x=/public/'
  ]
  const open = new Set(['/public/{rest:path}', '/users/{name}', '/items/'])
  const reached: Record<string, number> = {}
  for (const path of paths) {
    for (const method of ['GET', 'POST', 'OPTIONS']) {
      const { status, routed } = await ask(`${method} ${path} HTTP/1.1`)
      const name = `${method} ${path.slice(0, 60)}`
      if (routed !== undefined) t.ok(open.has(routed.route), `${name} reached ${routed.route}`)
      else t.ok(status >= 400 && status < 500, `${name}: ${status}`)
      reached[String(status)] = (reached[String(status)] ?? 0) + 1
    }
  }
  t.ok((reached['401'] ?? 0) > 60, JSON.stringify(reached))

  // What a path that is open is called decides nothing either, and FastAPI sees the client's own query.
  for (const [target, route, query] of [
    ['/public/x?y=/admin', '/public/{rest:path}', 'y=/admin'],
    ['/%70ublic/x?%2e%2e/../admin', '/public/{rest:path}', '%2e%2e/../admin'],
    [`/public/${long}`, '/public/{rest:path}', ''],
    [`/users/${long}?${'y'.repeat(1_000)}`, '/users/{name}', 'y'.repeat(1_000)],
    ['/users/%C3%A4?', '/users/{name}', '']
  ] as const) {
    const { routed, status } = await ask(`GET ${target} HTTP/1.1`)
    t.same([status, routed?.route, routed?.query], [200, route, query], target.slice(0, 60))
  }
  for (const target of [`/public/${'x'.repeat(17_000)}`, `/admin?${'x'.repeat(100_000)}`]) {
    const { status, code } = await ask(`GET ${target} HTTP/1.1`)
    t.same([status, code], [431, 'HEADERS_TOO_LARGE'])
  }

  // FastAPI's slash redirect leads to the public origin and is judged again there.
  const redirect = await ask('GET /items?x=1 HTTP/1.1')
  t.same([redirect.status, redirect.answer.only('location')], [307, `http://${host}/items/?x=1`])
  t.equal((await ask('GET /items/?x=1 HTTP/1.1')).routed?.route, '/items/')
})
