import { createAuthClient } from 'better-auth/client'
import t from 'tap'
import { openDatabase } from '../../db/open-database.ts'
import policy from '../../gatehouse.config.ts'
import { Browser } from '../support/browser.ts'
import { eachDatabase } from '../support/databases.ts'
import { startTestGateway } from '../support/gateway.ts'
import { startUvicorn } from '../support/uvicorn.ts'

interface Me {
  id: string
  email: string
  email_verified: boolean
}

await eachDatabase(t, async (t, { env, options, name }) => {
  const fastapi = await startUvicorn(t)
  const gateway = await startTestGateway(t, { upstreamUrl: fastapi.url, policy, env: { ...env } })
  const open = () => new Browser(gateway.url, gateway.publicUrl)
  const password = 'correct horse battery'

  // The embedded database belongs to the gateway's process and can be asked by nobody else.
  const database = name === 'pglite' ? undefined : await openDatabase(options)
  t.teardown(() => database?.close())
  const moveExpiry = (email: string, byDays: number) =>
    database?.withDirectClient((client) =>
      client.query(
        `update session set expires_at = expires_at + make_interval(days => $1)
         where user_id = (select id from "user" where email = $2)`,
        [byDays, email]
      )
    )

  t.test('sign up, out and in again: FastAPI knows who it is each time', async (t) => {
    const ada = open()
    t.equal((await ada.ask('/me')).status, 401)
    t.equal((await ada.signUp('ada')).status, 200)
    const me = (await ada.ask('/me')).json() as Me
    t.match(me, { email: 'ada@example.com', email_verified: false })
    t.equal((await ada.signOut()).status, 200)
    t.equal((await ada.ask('/me')).status, 401)
    t.equal((await ada.signIn('ada')).status, 200)
    t.same((await ada.ask('/me')).json(), me)
    t.equal((await open().signIn('ada', 'the wrong password')).status, 401)
  })

  t.test('a session that was signed out is over for whoever kept the cookie', async (t) => {
    const grace = open()
    const thief = open()
    await grace.signUp('grace')
    for (const [cookie, value] of grace.cookies) thief.cookies.set(cookie, value)
    t.equal((await thief.ask('/me')).status, 200)
    await grace.signOut()
    t.equal((await thief.ask('/me')).status, 401)
  })

  t.test('two devices: one revokes the other', async (t) => {
    const [phone, laptop] = [open(), open()]
    await phone.signUp('joan')
    await laptop.signIn('joan')
    t.equal((await phone.ask('/me')).status, 200)
    const sessions = (await laptop.ask('/api/auth/list-sessions')).json() as { token: string }[]
    t.equal(sessions.length, 2)
    const other = sessions.find(({ token }) => !laptop.cookieHeader.includes(token))
    t.equal((await laptop.post('/api/auth/revoke-session', { token: other?.token })).status, 200)
    t.equal((await phone.ask('/me')).status, 401)
    t.equal((await laptop.ask('/me')).status, 200)
  })

  t.test('a change of password ends the other sessions when it says so', async (t) => {
    const [phone, laptop] = [open(), open()]
    await phone.signUp('radia')
    await laptop.signIn('radia')
    t.equal((await phone.ask('/me')).status, 200)
    const change = { currentPassword: password, newPassword: 'another horse battery', revokeOtherSessions: true }
    t.equal((await laptop.post('/api/auth/change-password', change)).status, 200)
    t.equal((await phone.ask('/me')).status, 401)
    t.equal((await laptop.ask('/me')).status, 200)
    t.equal((await open().signIn('radia')).status, 401)
    t.equal((await open().signIn('radia', 'another horse battery')).status, 200)
  })

  t.test('a user who is deleted is nobody at once', async (t) => {
    const hedy = open()
    await hedy.signUp('hedy')
    t.equal((await hedy.ask('/me')).status, 200)
    const kept = hedy.cookieHeader
    t.equal((await hedy.post('/api/auth/delete-user', { password })).status, 200)
    t.equal((await hedy.ask('/me', { headers: { cookie: kept } })).status, 401)
    t.equal((await open().signIn('hedy')).status, 401)
  })

  t.test("BetterAuth's own client works through the gateway", async (t) => {
    const jar = open()
    const client = createAuthClient({
      baseURL: gateway.publicUrl,
      fetchOptions: {
        async customFetchImpl(input, init) {
          const { pathname, search } = new URL(String(input))
          const headers = Object.fromEntries(new Headers(init?.headers))
          const body = init?.body == null ? {} : { body: String(init.body) }
          const answer = await jar.ask(pathname + search, { method: init?.method ?? 'GET', headers, ...body })
          return new Response(answer.text, {
            status: answer.status,
            headers: { 'content-type': String(answer.headers['content-type']) }
          })
        }
      }
    })
    const { error } = await client.signUp.email({ name: 'Mary', email: 'mary@example.com', password })
    t.equal(error, null)
    t.equal((await client.getSession()).data?.user.email, 'mary@example.com')
    t.equal((await client.updateUser({ name: 'Mary K.' })).error, null)
    t.equal((await client.getSession()).data?.user.name, 'Mary K.')
    t.equal((await jar.ask('/me')).status, 200)
    t.equal((await client.signOut()).error, null)
    t.equal((await client.getSession()).data, null)
  })

  t.test('a forged cookie is nobody', async (t) => {
    const forger = open()
    forger.cookies.set(forger.sessionCookie, 'x'.repeat(32) + encodeURIComponent(`.${'A'.repeat(43)}=`))
    t.equal((await forger.ask('/me')).status, 401)
    t.match((await forger.ask('/feed/1')).json(), { for: 'stranger' })
  })

  if (database === undefined) return

  t.test('a session that is due is refreshed on the way, and its cookie with it', async (t) => {
    const anita = open()
    await anita.signUp('anita')
    await moveExpiry('anita@example.com', -2)
    const answer = await anita.ask('/me')
    t.equal(answer.status, 200)
    t.match(answer.headers['set-cookie'], /^better-auth-\d+\.session_token=[^;]+; Max-Age=604800;/)
    t.equal(answer.headers['cache-control'], 'private, no-store')
    const again = await anita.ask('/me')
    t.equal(again.status, 200)
    t.notOk('set-cookie' in again.headers)
  })

  t.test('without "remember me" a session is never refreshed', async (t) => {
    const barbara = open()
    await barbara.signUp('barbara')
    await barbara.signOut()
    await barbara.signIn('barbara', password, { rememberMe: false })
    t.equal(barbara.cookies.size, 2)
    const answer = await barbara.ask('/me')
    t.equal(answer.status, 200)
    t.notOk('set-cookie' in answer.headers)
  })

  t.test('signed in with "remember me", where a session without it was lost, it is refreshed', async (t) => {
    const dorothy = open()
    await dorothy.signUp('dorothy')
    await dorothy.signOut()
    await dorothy.signIn('dorothy', password, { rememberMe: false })
    await database.withDirectClient((client) =>
      client.query(`delete from session where user_id = (select id from "user" where email = 'dorothy@example.com')`)
    )
    await dorothy.signIn('dorothy', password, { rememberMe: true })
    t.same([...dorothy.cookies.keys()], [dorothy.sessionCookie])
    await moveExpiry('dorothy@example.com', -2)
    t.match((await dorothy.ask('/me')).headers['set-cookie'], /session_token=[^;]+; Max-Age=604800;/)
  })

  t.test('an expired session is nobody', async (t) => {
    const karen = open()
    await karen.signUp('karen')
    await moveExpiry('karen@example.com', -8)
    t.equal((await karen.ask('/me')).status, 401)
  })
})
