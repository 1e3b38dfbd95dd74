import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { gatehouse, startGatehouse } from '../src/gatehouse.ts'
import { Browser } from '../support/browser.ts'
import { entryIn, installedPackage, projectFolder } from '../support/built-package.ts'
import { type Echo, startEchoUpstream } from '../support/echo-upstream.ts'
import { importedHashes, importedPassword } from '../support/imported-users.ts'
import { migratedDatabase } from '../support/workers.ts'

const entry = entryIn(await installedPackage())

const policy = `import { apiKey } from '@better-auth/api-key'
import { oauthProvider } from '@better-auth/oauth-provider'
import { passkey } from '@better-auth/passkey'
import { defineConfig } from '@gatehouse/gateway'
import { admin, jwt } from 'better-auth/plugins'

export default defineConfig({
  routes: [{ path: '/docs', access: 'public' }],
  auth: {
    plugins: [
      admin(),
      apiKey(),
      passkey(),
      jwt(),
      oauthProvider({ loginPage: '/auth/sign-in', consentPage: '/consent', silenceWarnings: { oauthAuthServerConfig: true } })
    ]
  }
})
`

t.test(
  'the installed package runs every command, on the embedded database and with three plugins beside it',
  async (t) => {
    const upstream = await startEchoUpstream(t)
    const cwd = await projectFolder(t, { 'package.json': '{}', 'gatehouse.config.ts': policy }, { installed: true })
    const env = { UPSTREAM_URL: upstream.url }
    const run = (...args: string[]) => gatehouse(args, cwd, env, entry)

    const migrated = await run('migrate')
    t.equal(migrated.stderr, '')
    t.match(migrated.stdout, /^applied 0001_session_events$/m)
    t.match(migrated.stdout, /^applied table apikey$/m, 'with the tables of the plugins')
    t.match((await run('routes')).stdout, /^public +any +\/docs /m)
    t.match((await run('explain', 'GET', '/me')).stdout, /401/)
    const check = await run('check')
    t.equal(check.status, 0, check.stdout + check.stderr)
    await writeFile(join(cwd, 'users.csv'), `email,password_hash\nada@example.org,${importedHashes.bcrypt}\n`)
    t.equal((await run('users', 'import', 'users.csv')).status, 0)

    const gateway = await startGatehouse(cwd, env, entry)
    const stranger = await fetch(`${gateway.publicUrl}/me`)
    t.equal(stranger.status, 401)
    const grace = new Browser(gateway.publicUrl, gateway.publicUrl)
    t.equal((await grace.signUp('grace')).status, 200)
    const answer = await fetch(`${gateway.publicUrl}/me`, {
      headers: { cookie: grace.cookieHeader, 'x-user-id': 'forged' }
    })
    const { headers } = (await answer.json()) as Echo
    t.match(headers['x-user-id'], /^\w{16,}$/)
    t.not(headers['x-user-id'], 'forged')
    t.equal((await fetch(`${gateway.publicUrl}/auth/sign-in`)).status, 200, 'pages and their style are inside')
    const ada = new Browser(gateway.publicUrl, gateway.publicUrl)
    const signIn = await ada.post('/api/auth/sign-in/email', { email: 'ada@example.org', password: importedPassword })
    t.equal(signIn.status, 200, 'the thread that verifies imported hashes starts')
    const key = await grace.post('/api/auth/api-key/create', { name: 'programs' })
    t.equal(key.status, 200, 'a plugin of the project meets the BetterAuth of the gateway')
    t.equal(await gateway.stop(), 0)
  }
)

t.test('two workers of the installed package share a port', async (t) => {
  const upstream = await startEchoUpstream(t)
  const cwd = await projectFolder(t, {})
  const env = { UPSTREAM_URL: upstream.url, DATABASE_URL: await migratedDatabase(t), WORKERS: '2' }
  const gateway = await startGatehouse(cwd, env, entry)
  const ada = new Browser(gateway.publicUrl, gateway.publicUrl)
  await ada.signUp('ada')
  const answers = await Promise.all(
    Array.from({ length: 8 }, () => fetch(`${gateway.publicUrl}/me`, { headers: { cookie: ada.cookieHeader } }))
  )
  t.same(
    answers.map(({ status }) => status),
    Array.from({ length: 8 }, () => 200)
  )
  t.equal(await gateway.stop(), 0)
})
