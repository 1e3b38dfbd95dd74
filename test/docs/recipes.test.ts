import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { admin } from 'better-auth/plugins'
import pg from 'pg'
import t from 'tap'
import { pluginTables } from '../../auth/plugin-tables.ts'
import { loadPolicy, type PolicyConfig } from '../../src/policy-file.ts'
import { Browser } from '../support/browser.ts'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { migrateOnce } from '../support/embedded-database.ts'
import { startTestGateway } from '../support/gateway.ts'
import { startPostgres } from '../support/postgres.ts'
import { pytestPython, withoutPython } from '../support/python.ts'
import { until } from '../support/until.ts'
import { blocksOf, blockWith, pageOf, root } from './documents.ts'

const page = 'docs/recipes.md'
const run = promisify(execFile)
const folder = t.testdir()
const upstream = await startEchoUpstream(t)
let policies = 0

/** The policy file that the page shows with these words in it, read as the gateway reads it. */
async function policyWith(marker: string): Promise<PolicyConfig> {
  const path = join(folder, `${policies++}.ts`)
  const text = blockWith(page, marker)
  await writeFile(path, text.replace("'./src/policy-file.ts'", `'${join(root, 'src/policy-file.ts')}'`))
  return loadPolicy({ path, named: true })
}

/** The only SQL of the page with these words in it, indented or not. */
function sqlWith(marker: string): string {
  const blocks = [...pageOf(page).text.matchAll(/^ *```sql\n(.*?)^ *```$/gms)].map(([, text = '']) => text)
  const [found = '', ...more] = blocks.filter((text) => text.includes(marker))
  if (found === '' || more.length > 0) throw new Error(`not one block with ${marker}`)
  return found
}

t.test('an app is tested with pytest', { skip: await withoutPython() }, async (t) => {
  t.ok(blocksOf(pageOf(page)).filter(({ language }) => language === 'python').length >= 2)
  const { stdout } = await run(await pytestPython(), ['-m', 'pytest', '-q', '-p', 'no:cacheprovider', 'test_main.py'], {
    cwd: join(root, 'examples/fastapi'),
    env: { PATH: process.env['PATH'], PYTHONDONTWRITEBYTECODE: '1' }
  })
  t.match(stdout, /5 passed/)
})

t.test('mails go over SMTP, to one address', async (t) => {
  const server = await startMailServer(t)
  process.env['SMTP_URL'] = server.url
  const policy = await policyWith('nodemailer')
  const gateway = await startTestGateway(t, { upstreamUrl: upstream.url, policy })
  const ada = new Browser(gateway.url, gateway.publicUrl)
  await ada.signUp('ada')
  await until(() => server.mails.length === 1)
  const [mail] = server.mails
  t.same(mail?.recipients, ['<ada@example.com>'])
  t.match(mail?.text, /^Subject: Confirm your address\r$/m)
  const link = new URL(/https?:\S+verify-email\S+/.exec(decoded(mail?.text ?? ''))?.[0] ?? '')
  t.equal((await ada.signIn('ada')).status, 403, 'not before it is confirmed')
  t.ok(
    [200, 302, 303].includes(
      (await ada.ask(link.pathname + link.search, { headers: { 'sec-fetch-mode': 'cors' } })).status
    )
  )
  t.equal((await ada.signIn('ada')).status, 200)
  await ada.post('/api/auth/request-password-reset', { email: 'ada@example.com' })
  await until(() => server.mails.some(({ text }) => /^Subject: Choose a new password\r$/m.test(text)))
})

t.test('Google is asked to send people back here', async (t) => {
  process.env['GOOGLE_CLIENT_ID'] = 'the-client'
  process.env['GOOGLE_CLIENT_SECRET'] = 'the-secret'
  const policy = await policyWith('GOOGLE_CLIENT_ID')
  const gateway = await startTestGateway(t, { upstreamUrl: upstream.url, policy })
  const browser = new Browser(gateway.url, gateway.publicUrl)
  t.match((await browser.ask('/auth/sign-in')).text, /Continue with Google/)
  const { url } = (await browser.post('/api/auth/sign-in/social', { provider: 'google' })).json() as { url: string }
  const google = new URL(url)
  t.equal(google.host, 'accounts.google.com')
  t.equal(google.searchParams.get('redirect_uri'), `${gateway.publicUrl}/api/auth/callback/google`)
  t.equal(google.searchParams.get('client_id'), 'the-client')
  t.equal(google.searchParams.get('prompt'), 'select_account')
  t.notMatch(url, 'the-secret')
})

t.test('on PostgreSQL', async (t) => {
  const postgres = await startPostgres(t)
  /** A gateway on a database of its own, and what it takes to run SQL there. */
  async function gatewayWith(policy: Partial<PolicyConfig>) {
    const url = await postgres.createDatabase()
    await migrateOnce({ driver: 'pg', url, pluginTables: pluginTables(policy.auth ?? {}) })
    const env = { DATABASE_DRIVER: 'pg', DATABASE_URL: url }
    const gateway = await startTestGateway(t, { upstreamUrl: upstream.url, env, policy })
    return { gateway, sql: (statement: string) => postgres.query(statement, url), url }
  }
  const idOf = (answer: { json(): unknown }) => (answer.json() as { user: { id: string } }).user.id

  await t.test('the first administrator is somebody whose address is confirmed', async (t) => {
    const policy: Partial<PolicyConfig> = {
      auth: { plugins: [admin()] },
      routes: [{ path: '/admin/*', access: 'session', roles: ['admin'] }]
    }
    const { gateway, sql } = await gatewayWith(policy)
    const ada = new Browser(gateway.url, gateway.publicUrl)
    await ada.signUp('ada')
    t.equal((await ada.ask('/admin/x')).status, 403)
    const promote = sqlWith("role = 'admin'")
    t.same(await sql(promote), [], 'not before')
    await sql(`update "user" set email_verified = true where email = 'ada@example.com'`)
    t.match(await sql(promote), [{ email: 'ada@example.com' }])
    await until(async () => (await ada.ask('/admin/x')).status === 200)
    const bob = new Browser(gateway.url, gateway.publicUrl)
    const userId = idOf(await bob.signUp('bob'))
    t.equal((await ada.post('/api/auth/admin/set-role', { userId, role: 'admin' })).status, 200)
  })

  await t.test('rows of the app come and go with their user', async (t) => {
    const appUrl = await postgres.createDatabase()
    process.env['APP_DATABASE_URL'] = appUrl
    await postgres.query('create table profile (user_id text primary key)', appUrl)
    const profiles = async () =>
      (await postgres.query('select user_id from profile order by 1', appUrl)).map((row) => row['user_id'])
    const { gateway, sql } = await gatewayWith(await policyWith('APP_DATABASE_URL'))
    const ada = new Browser(gateway.url, gateway.publicUrl)
    const id = idOf(await ada.signUp('ada'))
    t.same(await profiles(), [id])

    const client = new pg.Client(appUrl)
    await client.connect()
    for (let n = 0; n < 2; n++) await client.query(sqlWith('values ($1) on conflict'), [id])
    t.same(await profiles(), [id], 'what the app does beside it changes nothing')
    await client.end()

    t.equal((await ada.post('/api/auth/delete-user', { password: 'correct horse battery' })).status, 200)
    t.same(await profiles(), [])

    const eve = new Browser(gateway.url, gateway.publicUrl)
    const gone = idOf(await eve.signUp('eve'))
    const bob = new Browser(gateway.url, gateway.publicUrl)
    const there = idOf(await bob.signUp('bob'))
    await sql(`delete from "user" where email = 'eve@example.com'`)
    t.same(await profiles(), [gone, there].sort(), 'a hook hears of no SQL')
    const left = sqlWith('any ($1)').replace('$1', `array['${gone}', '${there}']`)
    t.same(await sql(left), [{ id: there }], 'a search does')
  })

  await t.test('in one database they go with their user, whoever deletes it', async (t) => {
    const { gateway, sql } = await gatewayWith({})
    await sql('create table profile (user_id text primary key)')
    await sql(sqlWith('on delete cascade'))
    const ada = new Browser(gateway.url, gateway.publicUrl)
    const id = idOf(await ada.signUp('ada'))
    await sql(`insert into profile values ('${id}')`)
    await t.rejects(sql(`insert into profile values ('nobody')`))
    await sql(`delete from "user" where id = '${id}'`)
    t.same(await sql('select * from profile'), [])
  })
})

/** A server that takes every mail. */
async function startMailServer(t: { teardown(work: () => void): void }) {
  const mails: { recipients: string[]; text: string }[] = []
  const server = createServer((socket) => {
    let recipients: string[] = []
    let text: string | undefined
    let waiting = ''
    socket.on('error', () => {})
    socket.write('220 mail.test ESMTP\r\n')
    socket.setEncoding('utf8').on('data', (chunk) => {
      waiting += chunk
      for (let end = waiting.indexOf('\r\n'); end !== -1; end = waiting.indexOf('\r\n')) {
        const line = waiting.slice(0, end)
        waiting = waiting.slice(end + 2)
        socket.write(answerTo(line))
      }
    })
    function answerTo(line: string): string {
      if (text !== undefined) {
        if (line !== '.') {
          text += `${line}\r\n`
          return ''
        }
        mails.push({ recipients, text })
        ;[recipients, text] = [[], undefined]
        return '250 taken\r\n'
      }
      const [command = ''] = line.toUpperCase().split(' ')
      if (line.toUpperCase().startsWith('RCPT TO:')) recipients.push(line.slice('RCPT TO:'.length).split(' ')[0] ?? '')
      if (command === 'DATA') text = ''
      if (command === 'DATA') return '354 go on\r\n'
      if (command === 'QUIT') socket.end()
      return '250 mail.test\r\n'
    }
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo // it listens on a port
  return { mails, url: `smtp://127.0.0.1:${port}` }
}

/** The text of a mail in quoted-printable. */
function decoded(text: string): string {
  return text
    .replaceAll('=\r\n', '')
    .replaceAll(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}
