import t from 'tap'
import { gatehouse } from './gatehouse.ts'

const files = {
  'gatehouse.config.ts': `import { admin } from 'better-auth/plugins/admin'
    export default {
      routes: [
        { path: '/admin/*', access: 'session', roles: ['admin'], freshWithin: 60 },
        { path: '/export/*', access: 'session', keepOpen: true }
      ],
      auth: { plugins: [admin()] }
    }`
}

t.test('migrate adds what the plugins of the policy file need, and check finds it there', async (t) => {
  const cwd = t.testdir(files)
  const { status, stdout } = await gatehouse(['migrate'], cwd)
  t.equal(status, 0)
  t.match(stdout, /^applied column user\.role$/m)
  t.match((await gatehouse(['check'], cwd)).stdout, /^ok {4}migrations: up to date/m)
})

t.test('routes and explain say what is asked for beyond a session', async (t) => {
  const cwd = t.testdir(files)
  const { stdout: routes } = await gatehouse(['routes'], cwd)
  t.match(routes, /^session +any +\/admin\/\* +whoever is signed in \(role admin, signed in within 60 s\)$/m)
  const { stdout: explained } = await gatehouse(['explain', 'GET', '/admin/x'], cwd)
  t.match(explained, /^needs {3}role admin; otherwise 403\nneeds {3}signed in within 60 s; otherwise 403$/m)
})

t.test('routes and explain say where responses outlast the session', async (t) => {
  const cwd = t.testdir(files)
  const { stdout: routes } = await gatehouse(['routes'], cwd)
  t.match(routes, /^session +any +\/export\/\* +whoever is signed in; responses outlast the session$/m)
  const { stdout: explained } = await gatehouse(['explain', 'GET', '/export/x'], cwd)
  t.match(explained, /^lasts {3}its response outlasts the session, but not a ban or the end of the user$/m)
})
