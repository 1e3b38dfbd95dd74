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
    return async (path: string) => (await gatehouse(['explain', 'GET', path, '--cookie-jar', 'jar'], cwd)).stdout
  }
  const good = jar(value)
  const me = await good('/me')
  t.match(me, /^cookie {2}identified: user \S+, until 20/m)
  t.match(me, /^result {2}forwarded with the identity$/m)
  t.notMatch(me, value.slice(0, 20), 'the cookie is not printed')
  t.match(await good('/internal'), /^result {2}404 NOT_FOUND$/m)

  const forged = jar(`${value[0] === 'A' ? 'B' : 'A'}${value.slice(1)}`)
  t.match(await forged('/me'), /^cookie {2}anonymous: .*altered\nresult {2}401 SESSION_REQUIRED$/m)
  t.match(await forged('/feed'), /^result {2}forwarded without an identity$/m)

  const none = await gatehouse(['explain', 'GET', '/me', '--cookie-jar', 'nowhere'], cwd)
  t.equal(none.status, 2)
  t.match(none.stderr, /^--cookie-jar: .*ENOENT/)
})
