import { admin } from 'better-auth/plugins/admin'
import { magicLink } from 'better-auth/plugins/magic-link'
import { multiSession } from 'better-auth/plugins/multi-session'
import { twoFactor } from 'better-auth/plugins/two-factor'
import t, { type Test } from 'tap'
import { Device, startAuthApp } from '../support/auth-app.ts'
import { eachDatabase, type TestDatabase } from '../support/databases.ts'

// Signed in without "remember me", a browser has a mark beside its session, and the session is never refreshed. The mark
// outlived its session: whoever then signed in with "remember me" was signed out on day 7, however active.

const password = 'correct horse'
let people = 0

await eachDatabase(t, async (t, { options }) => {
  for (const publicUrl of ['http://localhost:8080', 'https://app.example.org'])
    await t.test(publicUrl, async (t) => staysWithItsSession(t, options, publicUrl))
})

async function staysWithItsSession(t: Test, database: TestDatabase['options'], publicUrl: string): Promise<void> {
  let mailed = ''
  const keep = (text: string) => {
    mailed = text
  }
  const target = await startAuthApp(t, {
    publicUrl,
    database,
    extension: {
      emailVerification: { autoSignInAfterVerification: true, sendVerificationEmail: async ({ token }) => keep(token) },
      plugins: [
        admin(),
        magicLink({ sendMagicLink: async ({ token }) => keep(token) }),
        multiSession(),
        twoFactor({ skipVerificationOnEnable: true, otpOptions: { sendOTP: async ({ otp }) => keep(otp) } })
      ]
    }
  })
  const sql = (statement: string) => target.database.withDirectClient((client) => client.query(statement))
  const prefix = publicUrl.startsWith('https') ? '__Host-better-auth.' : 'better-auth.'
  const [session, mark] = [`${prefix}session_token`, `${prefix}dont_remember`]

  /** Somebody new, signed up in another browser. */
  async function somebody(): Promise<string> {
    const email = `person${people++}-${Date.now()}@example.org`
    await new Device(target).signUp(email)
    return email
  }

  /** The same browser at another address, where no limit on an address is met. */
  function moved({ cookies }: Device): Device {
    const other = new Device(target)
    for (const [name, value] of cookies) other.cookies.set(name, value)
    return other
  }

  async function signIn(device: Device, email: string, rememberMe: boolean): Promise<Response> {
    const answer = await device.post('/sign-in/email', { email, password, rememberMe })
    t.equal(answer.status, 200)
    return answer
  }

  /** A browser whose session, signed in without "remember me", was lost, and whose mark was not. */
  async function leftWithMark(email: string): Promise<Device> {
    const device = new Device(target)
    await signIn(device, email, false)
    t.ok(device.cookies.has(mark))
    await sql(`delete from session where user_id = (select id from "user" where email = '${email}')`)
    return moved(device)
  }

  /** Whether this answer set a session that is remembered. */
  function isRemembered(t: Test, answer: Response, device: Device): void {
    const told = answer.headers.getSetCookie().filter((cookie) => cookie.startsWith(`${session}=`))
    t.equal(told.length, 1)
    t.match(told[0], /; Max-Age=604800;/)
    t.notOk(device.cookies.has(mark), 'the mark is gone')
  }

  t.test('the mark of a lost session goes at the next sign-in, however one signs in', async (t) => {
    const email = await somebody()
    let device = await leftWithMark(email)
    isRemembered(t, await signIn(device, email, true), device)

    device = await leftWithMark(email)
    const made = { email: `new${people++}-${Date.now()}@example.org`, password, name: 'New' }
    isRemembered(t, await device.post('/sign-up/email', made), device)

    device = await leftWithMark(email)
    t.equal((await device.post('/sign-in/magic-link', { email })).status, 200)
    t.ok(device.cookies.has(mark), 'nobody has signed in yet')
    isRemembered(t, await device.fetch(`/magic-link/verify?token=${mailed}`), device)

    // A mailed link takes the password from whoever had not confirmed the address.
    const other = await somebody()
    device = await leftWithMark(other)
    await device.post('/send-verification-email', { email: other })
    await Promise.all(target.background)
    isRemembered(t, await device.fetch(`/verify-email?token=${mailed}`), device)
  })

  t.test('with a second factor it is the first step that says', async (t) => {
    const email = await somebody()
    const owner = new Device(target)
    await signIn(owner, email, true)
    t.equal((await owner.post('/two-factor/enable', { password })).status, 200)
    const verified = async (device: Device, more: object = {}) => {
      t.equal((await device.post('/two-factor/send-otp', {})).status, 200)
      return device.post('/two-factor/verify-otp', { code: mailed, ...more })
    }
    const device = new Device(target)
    await signIn(device, email, false)
    t.ok(device.cookies.has(mark))
    const short = await verified(device)
    t.notMatch(short.headers.getSetCookie().join('\n'), /session_token=[^;]+; Max-Age/)
    t.ok(device.cookies.has(mark))

    const later = await (async () => {
      await sql(`delete from session where user_id = (select id from "user" where email = '${email}')`)
      return moved(device)
    })()
    await signIn(later, email, true)
    isRemembered(t, await verified(later), later)

    const trusted = new Device(target)
    await signIn(trusted, email, false)
    await verified(trusted, { trustDevice: true })
    t.ok(trusted.cookies.has(mark), 'to trust a device is not to stay signed in')
  })

  t.test('while its session goes on the mark stays, and a sign-in that is refused takes it from nobody', async (t) => {
    const email = await somebody()
    const device = new Device(target)
    await signIn(device, email, false)
    t.equal((await device.post('/sign-in/email', { email, password: 'not the one', rememberMe: true })).status, 401)
    t.ok(device.cookies.has(mark))
    const renamed = await device.post('/update-user', { name: 'Another' })
    t.notMatch(renamed.headers.getSetCookie().join('\n'), /session_token=[^;]+; Max-Age/)
    t.ok(device.cookies.has(mark))
    await device.post('/send-verification-email', { email })
    await Promise.all(target.background)
    const verified = await device.fetch(`/verify-email?token=${mailed}`)
    t.notMatch(verified.headers.getSetCookie().join('\n'), /session_token=[^;]+; Max-Age/)
    t.ok(device.cookies.has(mark), 'verifying an address signs nobody in who is')
    await device.post('/sign-out', {})
    t.same([...device.cookies], [])
  })

  t.test("an administrator's session is what it was before acting as somebody else", async (t) => {
    const [email, other] = [await somebody(), await somebody()]
    await sql(`update "user" set role = 'admin' where email = '${email}'`)
    const device = new Device(target)
    await signIn(device, email, true)
    const users = await device.fetch(`/admin/list-users?searchValue=${encodeURIComponent(other)}`)
    const { users: found } = (await users.json()) as { users: { id: string }[] }
    t.equal((await device.post('/admin/impersonate-user', { userId: found[0]?.id })).status, 200)
    t.ok(device.cookies.has(mark), 'which lasts for an hour')
    isRemembered(t, await device.post('/admin/stop-impersonating', {}), device)
  })

  t.test('of several accounts in one browser each is remembered or not, as it was signed in', async (t) => {
    const [short, long] = [await somebody(), await somebody()]
    let device = new Device(target)
    await signIn(device, short, false)
    await signIn(device, long, true)
    t.notOk(device.cookies.has(mark))
    const listed = (await (await device.fetch('/multi-session/list-device-sessions')).json()) as {
      session: { token: string }
      user: { email: string }
    }[]
    const tokenOf = (email: string) => listed.find(({ user }) => user.email === email)?.session.token
    device = moved(device)
    const toShort = await device.post('/multi-session/set-active', { sessionToken: tokenOf(short) })
    t.notMatch(toShort.headers.getSetCookie().join('\n'), /session_token=[^;]+; Max-Age/)
    t.ok(device.cookies.has(mark))
    const toLong = await device.post('/multi-session/set-active', { sessionToken: tokenOf(long) })
    isRemembered(t, toLong, device)
  })
}
