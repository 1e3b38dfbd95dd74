import { symmetricEncrypt } from 'better-auth/crypto'
import t from 'tap'
import { secretsOf } from '../../auth/count-unopened-values.ts'
import { startPostgres } from '../support/postgres.ts'
import { gatehouse } from './gatehouse.ts'

const [first = '', second = '', third = ''] = ['first', 'second', 'third'].map(
  (name) => `the ${name} secret of this test, which is long enough`
)

const policy = `import { jwt } from 'better-auth/plugins/jwt'
import { twoFactor } from 'better-auth/plugins/two-factor'
export default {
  routes: [],
  auth: { plugins: [jwt(), twoFactor()], account: { encryptOAuthTokens: true } }
}`

/** As BetterAuth encrypts with this secret, or with one that it does not call by a version. */
function encrypted(secret: string, data: string, withVersion = true): Promise<string> {
  const [current = { version: 0, value: secret }] = secretsOf({ secret }).secrets
  const key = { keys: new Map([[current.version, secret]]), currentVersion: current.version }
  return symmetricEncrypt({ key: withVersion ? key : secret, data })
}

t.test('check counts what was encrypted with a secret that is not there any more', async (t) => {
  const postgres = await startPostgres(t)
  const cwd = t.testdir({ 'gatehouse.config.ts': policy })
  const url = await postgres.createDatabase()
  const env = { DATABASE_URL: url, BETTER_AUTH_SECRET: second }
  const encryption = async (more: Record<string, string> = {}) => {
    const { status, stdout } = await gatehouse(['check'], cwd, { ...env, ...more })
    t.ok(status === 0 || status === 1, 'the upstream may be away')
    return stdout.split('\n').filter((line) => line.includes('encryption: '))
  }
  t.equal((await gatehouse(['migrate'], cwd, env)).status, 0)
  t.same(await encryption(), ['ok    encryption: what BetterAuth has encrypted can be opened'])

  const quoted = (value: string) => `'${value}'`
  await postgres.query(
    `insert into "user" (id, name, email, email_verified, created_at, updated_at)
     select n, n, n || '@example.org', true, now(), now() from unnest(array['a', 'b', 'c']) n`,
    url
  )
  for (const [id, secret, withVersion] of [
    ['a', first, true],
    ['b', second, true],
    ['c', third, false]
  ] as const) {
    const key = JSON.stringify(await encrypted(secret, '{"kty":"OKP"}', withVersion))
    const token = await encrypted(secret, 'a token of a provider', withVersion)
    const factor = await encrypted(secret, 'a secret of a factor', withVersion)
    await postgres.query(
      `insert into jwks (id, public_key, private_key, created_at) values ('${id}', '{}', ${quoted(key)}, now())`,
      url
    )
    await postgres.query(
      `insert into two_factor (id, user_id, secret, backup_codes) values ('${id}', '${id}', ${quoted(factor)}, ${quoted(factor)})`,
      url
    )
    await postgres.query(
      `insert into account (id, account_id, provider_id, user_id, access_token, refresh_token, created_at, updated_at)
       values ('${id}', '${id}', 'github', '${id}', ${quoted(token)}, null, now(), now())`,
      url
    )
  }
  await postgres.query(
    `insert into account (id, account_id, provider_id, user_id, access_token, created_at, updated_at)
     values ('d', 'd', 'gitlab', 'a', 'a token that was never encrypted', now(), now())`,
    url
  )

  const alone = await encryption()
  t.same(
    alone.map((line) => /^warn {2}encryption: (\d+) [^(]+\(([a-z_.]+)\)/.exec(line)?.slice(1)),
    [
      ['2', 'jwks.private_key'],
      ['2', 'two_factor.secret'],
      ['2', 'two_factor.backup_codes'],
      ['2', 'account.access_token']
    ]
  )
  t.match(alone[0], /a new one is made/)
  t.notMatch(alone.join('\n'), /\$ba\$|[0-9a-f]{40}/, 'and shows none of it')
  const counts = (lines: string[]) => lines.map((line) => /: (\d+) /.exec(line)?.[1])
  t.same(counts(await encryption({ BETTER_AUTH_SECRET_PREVIOUS: first })), ['1', '1', '1', '1'])
  // What has no version was encrypted before there were two.
  t.same(counts(await encryption({ BETTER_AUTH_SECRET_PREVIOUS: third })), ['1', '1', '1', '1'])
})
