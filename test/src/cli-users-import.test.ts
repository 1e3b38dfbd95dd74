import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { openDatabase } from '../../db/open-database.ts'
import { eachDatabase } from '../support/databases.ts'
import { importedHashes } from '../support/imported-users.ts'
import { gatehouse } from './gatehouse.ts'

const canary = 'canary'
const email = (name: string) => `${name}.${canary}@example.org`
const { bcrypt, argon2id } = importedHashes

await eachDatabase(t, async (t, { env, options }) => {
  const cwd = t.testdir()
  const importing = async (name: string, content: string, ...flags: string[]) => {
    await writeFile(join(cwd, name), content)
    const { status, stdout, stderr } = await gatehouse(['users', 'import', name, ...flags], cwd, {
      ...env,
      LOG_LEVEL: 'trace'
    })
    t.notMatch(stdout + stderr, canary, 'nothing of the file is repeated')
    t.notMatch(stdout + stderr, /\$2b|argon2id/)
    return { status, lines: stdout.trimEnd().split('\n'), stderr }
  }
  const stored = async () => {
    const database = await openDatabase(options)
    try {
      const { rows } = await database.withDirectClient(({ query }) =>
        query(`select "user".id, email, name, email_verified as verified, password, account_id = "user".id as own, provider_id as provider,
          "user".created_at < '2021-01-01' as old from "user" left join account on user_id = "user".id order by email`)
      )
      return rows
    } finally {
      await database.close()
    }
  }

  const csv = [
    'id,email,name,password_hash,email_verified,created_at',
    `7,${email('Ada')},"Ada, Countess of ${canary}",${bcrypt},t,2020-01-02 03:04:05.678+00`,
    `,${email('grace')},,"${argon2id}",f,`,
    `8,${email('joan')},${canary},!${canary},true,`
  ].join('\n')
  const users = [
    {
      id: '7',
      email: email('ada'),
      name: `Ada, Countess of ${canary}`,
      password: bcrypt,
      provider: 'credential',
      own: true,
      old: true
    },
    { email: email('grace'), name: '', password: argon2id, provider: 'credential', own: true, old: false },
    { id: '8', email: email('joan'), name: canary, password: null, provider: null, old: false }
  ]

  t.test('a dry run says what would come of it, and writes nothing', async (t) => {
    const { status, lines } = await importing('users.csv', csv, '--dry-run')
    t.equal(status, 0)
    t.same(lines, [
      'line 2: would be added',
      'line 3: would be added',
      'line 4: would be added, without a password',
      'dry run, nothing was written: 3 added, 0 there already, 0 refused',
      '2 of them have a verified address by the file: with --trust-verified that would be believed'
    ])
    t.same(await stored(), [])
  })

  t.test('an import adds users with ids and passwords, and once more changes nothing', async (t) => {
    const first = await importing('users.csv', csv)
    t.equal(first.status, 0)
    t.same(first.lines.slice(0, 4), [
      'line 2: added',
      'line 3: added',
      'line 4: added, without a password',
      '3 added, 0 there already, 0 refused'
    ])
    t.match(await stored(), users)
    t.same(
      (await stored()).map(({ verified }) => verified),
      [false, false, false]
    )

    const other = csv.replaceAll(bcrypt, `"${argon2id}"`).replace('Ada,', 'Eve,').replace('Ada.', 'ada.')
    const again = await importing('users.csv', other, '--trust-verified')
    t.equal(again.status, 0)
    t.same(again.lines, [
      ...[2, 3, 4].map((line) => `line ${line}: there already, and not changed`),
      '0 added, 3 there already, 0 refused'
    ])
    t.match(await stored(), users)
  })

  t.test('what cannot be imported is refused with its line and a reason', async (t) => {
    const lines = [
      { email: email('new'), password_hash: argon2id, email_verified: true },
      { email: email('new'), password_hash: bcrypt },
      { email: 'no address' },
      {},
      { email: email('x'), password: canary },
      { email: email('x'), name: `${canary}\0` },
      { email: email('x'), name: 7 },
      { email: email('x'), email_verified: 'perhaps' },
      { email: email('x'), created_at: canary },
      { email: email('x'), id: `${canary} x` },
      { email: email('x'), id: '7' },
      { email: email('x'), id: 7 },
      { email: email('x'), password_hash: canary },
      { email: email('x'), password_hash: bcrypt.replace('$04$', '$15$') },
      { email: email('x'), password_hash: argon2id.replace(/m=\d+/, 'm=262145') }
    ].map((line) => JSON.stringify(line))
    const { status, lines: said } = await importing('users.jsonl', [...lines, canary].join('\n'), '--trust-verified')
    t.equal(status, 1)
    t.same(said, [
      'line 1: added',
      'line 2: there already, and not changed',
      'line 3: refused: email cannot be used',
      'line 4: refused: email cannot be used',
      'line 5: refused: has a field that is not known',
      'line 6: refused: name cannot be used',
      'line 7: refused: name cannot be used',
      'line 8: refused: email_verified cannot be used',
      'line 9: refused: created_at cannot be used',
      'line 10: refused: id cannot be used',
      'line 11: refused: somebody else has its id',
      'line 12: refused: somebody else has its id',
      'line 13: refused: the hash is in no form that is known',
      "line 14: refused: the hash asks for more than is allowed: bcrypt's cost is over 14",
      "line 15: refused: the hash asks for more than is allowed: Argon2's memory is over 262144 KiB",
      'line 16: refused: is not a JSON object in UTF-8, or longer than 64 KiB',
      '1 added, 1 there already, 14 refused'
    ])
    t.match(await stored(), [...users, { email: email('new'), password: argon2id, verified: true }])
  })
})

t.test('a file, a format or a policy that cannot be used is a sentence', async (t) => {
  const cwd = t.testdir({
    'users.txt': 'email\n',
    'users.csv': 'email\na@example.org\n',
    'own.ts': 'export default { auth: { emailAndPassword: { password: { hash: async (given: string) => given } } } }'
  })
  const failing: [args: string[], status: number, stderr: RegExp, env?: Record<string, string>][] = [
    [['users.txt'], 2, /^FILE: [^\n]*--format\n$/],
    [['users.csv', '--format', 'xml'], 2, /^FILE: [^\n]*--format\n$/],
    [['users.csv'], 1, /^[^\n]*migrate[^\n]*\n$/],
    [['users.csv'], 2, /^auth\.emailAndPassword\.password: [^\n]*\n$/, { GATEHOUSE_CONFIG: 'own.ts' }]
  ]
  for (const [args, status, stderr, env] of failing) {
    const ended = await gatehouse(['users', 'import', ...args], cwd, env)
    t.equal(ended.status, status, args.join(' '))
    t.match(ended.stderr, stderr)
  }
  t.equal((await gatehouse(['migrate'], cwd)).status, 0)
  const nowhere = await gatehouse(['users', 'import', 'nowhere.csv'], cwd)
  t.equal(nowhere.status, 2)
  t.match(nowhere.stderr, /^FILE: cannot be read \(ENOENT\)\n$/)
  t.match(await gatehouse(['users', 'import', 'users.txt', '--format', 'csv'], cwd), {
    status: 0,
    stdout: '0 added, 0 there already, 0 refused\n'
  })
})
