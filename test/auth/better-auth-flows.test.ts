import t from 'tap'
import { Device, startAuthApp } from '../support/auth-app.ts'
import { eachDatabase } from '../support/databases.ts'

await eachDatabase(t, async (t, database) => {
  // One connection: were two needed at once for one request, requests in parallel could starve each other.
  const target = await startAuthApp(t, { database: { ...database.options, poolSize: 1 } })
  const { sessionsChanged, usersChanged } = target

  t.test('signs up, is signed in at once, signs out and in again', async (t) => {
    const device = new Device(target)
    const userId = await device.signUp('Ada@Example.org')
    const session = await device.client.getSession()
    t.equal(session.data?.user.id, userId)
    t.equal(session.data?.user.email, 'ada@example.org')
    t.equal(session.data?.session.ipAddress, device.ip, 'the address is the one the gateway trusts')

    const token = session.data?.session.token ?? ''
    t.equal((await device.client.signOut()).data?.success, true)
    t.same([...device.cookies], [])
    t.ok(sessionsChanged.includes(token), 'the gateway hears that the session ended')
    t.equal((await device.client.getSession()).data, null)

    const again = await device.client.signIn.email({ email: 'ADA@example.org', password: 'correct horse' })
    t.equal(again.data?.user.id, userId)
    t.equal((await device.client.getSession()).data?.user.id, userId)
  })

  t.test('cannot sign in with a wrong password, nor with one below eight characters sign up', async (t) => {
    const device = new Device(target)
    await new Device(target).signUp('bell@example.org')
    const wrong = await device.client.signIn.email({ email: 'bell@example.org', password: 'wrong horse' })
    t.equal(wrong.error?.status, 401)
    t.equal(wrong.error?.code, 'INVALID_EMAIL_OR_PASSWORD', 'its own words reach its client')
    const short = await device.client.signUp.email({ email: 'x@example.org', password: 'seven77', name: 'x' })
    t.equal(short.error?.code, 'PASSWORD_TOO_SHORT')
    t.equal(device.cookies.size, 0)
  })

  t.test('lists the sessions of two devices and revokes one', async (t) => {
    const laptop = new Device(target)
    const phone = new Device(target)
    await laptop.signUp('cara@example.org')
    await phone.client.signIn.email({ email: 'cara@example.org', password: 'correct horse' })
    const list = await laptop.client.listSessions()
    t.equal(list.data?.length, 2)

    const token = (await phone.client.getSession()).data?.session.token ?? ''
    t.equal((await laptop.client.revokeSession({ token })).data?.status, true)
    t.ok(sessionsChanged.includes(token))
    t.equal((await phone.client.getSession()).data, null)
    t.ok((await laptop.client.getSession()).data)
  })

  t.test('revokes all other sessions, and all of them', async (t) => {
    const laptop = new Device(target)
    const phone = new Device(target)
    await laptop.signUp('dora@example.org')
    await phone.client.signIn.email({ email: 'dora@example.org', password: 'correct horse' })
    const ofPhone = (await phone.client.getSession()).data?.session.token ?? ''
    const ofLaptop = (await laptop.client.getSession()).data?.session.token ?? ''
    await laptop.client.revokeOtherSessions()
    t.ok(sessionsChanged.includes(ofPhone))
    t.equal((await phone.client.getSession()).data, null)
    t.ok((await laptop.client.getSession()).data)
    await laptop.client.revokeSessions()
    t.ok(sessionsChanged.includes(ofLaptop))
    t.equal((await laptop.client.getSession()).data, null)
  })

  t.test('changes the password, and ends the other sessions when asked to', async (t) => {
    const laptop = new Device(target)
    const phone = new Device(target)
    await laptop.signUp('eve@example.org')
    await phone.client.signIn.email({ email: 'eve@example.org', password: 'correct horse' })
    const ofPhone = (await phone.client.getSession()).data?.session.token ?? ''
    const changed = await laptop.client.changePassword({
      currentPassword: 'correct horse',
      newPassword: 'battery staple',
      revokeOtherSessions: true
    })
    t.equal(changed.error, null)
    t.ok(sessionsChanged.includes(ofPhone))
    t.equal((await phone.client.getSession()).data, null)
    t.ok((await laptop.client.getSession()).data)
    const old = await phone.client.signIn.email({ email: 'eve@example.org', password: 'correct horse' })
    t.equal(old.error?.status, 401)
    const fresh = await phone.client.signIn.email({ email: 'eve@example.org', password: 'battery staple' })
    t.equal(fresh.error, null)
  })

  t.test('updates the user, and the gateway hears of it', async (t) => {
    const device = new Device(target)
    const userId = await device.signUp('fay@example.org')
    t.equal((await device.client.updateUser({ name: 'Fay Wray' })).error, null)
    t.ok(usersChanged.includes(userId))
    t.equal((await device.client.getSession()).data?.user.name, 'Fay Wray')
  })

  t.test('deletes the user and with it every session', async (t) => {
    const device = new Device(target)
    const userId = await device.signUp('gil@example.org')
    const token = (await device.client.getSession()).data?.session.token ?? ''
    t.equal((await device.client.deleteUser({ password: 'correct horse' })).error, null)
    t.ok(sessionsChanged.includes(token))
    t.ok(usersChanged.includes(userId))
    t.equal((await device.client.getSession()).data, null)
    const back = await new Device(target).client.signIn.email({ email: 'gil@example.org', password: 'correct horse' })
    t.equal(back.error?.status, 401)
  })

  t.test('signs up once when two requests race for one address, and leaves nobody without a password', async (t) => {
    const devices = Array.from({ length: 6 }, () => new Device(target))
    const answers = await Promise.all(
      devices.map((device) =>
        device.client.signUp.email({ email: 'race@example.org', password: 'correct horse', name: 'r' })
      )
    )
    t.equal(answers.filter((answer) => answer.error === null).length, 1)
    t.same(new Set(answers.flatMap((answer) => (answer.error === null ? [] : [answer.error.status]))), new Set([422]))
    const signedIn = await new Device(target).client.signIn.email({
      email: 'race@example.org',
      password: 'correct horse'
    })
    t.equal(signedIn.error, null)
  })
})
