import t from 'tap'
import { gatehouse, listening, startGatehouse } from './gatehouse.ts'

t.test('one embedded database, one gateway: a second start exits 2, and check says so without failing', async (t) => {
  const cwd = t.testdir()
  const upstream = await listening(t)
  const env = { UPSTREAM_URL: `http://127.0.0.1:${upstream}` }
  const first = await startGatehouse(cwd, env)

  const second = await gatehouse(['start'], cwd, { ...env, PORT: '0', ADMIN_PORT: '0' })
  t.equal(second.status, 2)
  t.match(second.stderr, /^[^\n]*in use by another process[^\n]*\n$/)

  const check = await gatehouse(['check'], cwd, env)
  t.equal(check.status, 0, check.stdout)
  t.match(check.stdout, /^skip {2}database: .*in use by another process/m)

  t.equal(await first.stop(), 0)
})

t.test('a port in use is one sentence', async (t) => {
  const port = String(await listening(t))
  for (const env of [
    { PORT: port, ADMIN_PORT: '0' },
    { PORT: '0', ADMIN_PORT: port }
  ]) {
    const { status, stderr } = await gatehouse(['start'], t.testdir(), {
      ...env,
      DATABASE_URL: 'postgres://127.0.0.1:1/none'
    })
    t.equal(status, 1)
    t.match(stderr, new RegExp(`^[^\\n]*${port}[^\\n]* already in use[^\\n]*\\n$`))
  }
})
