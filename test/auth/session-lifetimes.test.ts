import { setImmediate as turn } from 'node:timers/promises'
import { admin, twoFactor } from 'better-auth/plugins'
import t from 'tap'
import type { AuthExtension } from '../../auth/policy-auth-options.ts'
import {
  agesOf,
  lifetimeProblems,
  lifetimesSaidTwice,
  noteUseAfter,
  sessionOptions
} from '../../auth/session-lifetimes.ts'
import { Device, startAuthApp } from '../support/auth-app.ts'
import { day, header, sessionWorld, signer } from '../support/session-world.ts'

const minute = 60_000

/** A resolver under an idle end of ten minutes and an absolute one of an hour, before a store that notes uses. */
function agedWorld(cacheTtlMs = 10_000, noting: 'works' | 'fails' = 'works') {
  const ages = agesOf({ idle: 600, absolute: 3_600 })
  const noted: number[] = []
  const set = sessionWorld({
    ages,
    cache: { ttlMs: cacheTtlMs, max: 100, staleMs: 0 },
    use: {
      afterMs: noteUseAfter(ages),
      async note() {
        if (noting === 'fails') throw new Error('read-only')
        noted.push(set.world.now)
        if (set.world.row !== null) set.world.row = { ...set.world.row, updatedAt: set.world.now }
        // As BetterAuth's hook does, and the trigger.
        set.sessions.sessionChanged('t1')
      }
    }
  })
  return { ...set, noted }
}

t.test('a session that is not used ends, also while its decision is cached', async (t) => {
  for (const ttlMs of [10_000, 100 * day]) {
    const { ask, world } = agedWorld(ttlMs)
    t.match(await ask(), { outcome: 'identified' })
    world.now += 10 * minute - 1
    t.match(await ask(), { outcome: 'identified' })
    world.now += 10 * minute
    t.match(await ask(), { outcome: 'anonymous' })
  }
})

t.test('one that is used lives on, and ends an hour after it began', async (t) => {
  for (const ttlMs of [0, 10_000, 100 * day]) {
    const { ask, world, noted } = agedWorld(ttlMs)
    const began = world.now
    for (; world.now < began + 60 * minute; world.now += 20_000) {
      t.match(await ask(), { outcome: 'identified' }, `${(world.now - began) / minute} min`)
      await turn()
    }
    t.match(await ask(), { outcome: 'anonymous' })
    // Sixty notes would be one a minute; a reading ahead may leave one to the next request.
    t.ok(noted.length >= 40 && noted.length <= 60, `${noted.length} notes`)
  }
})

t.test('no use is lost in the cache: it ends no sooner than after nine tenths', async (t) => {
  for (const ttlMs of [10_000, 100 * day]) {
    const { ask, world } = agedWorld(ttlMs)
    for (let n = 0; n < 25; n++) {
      t.match(await ask(), { outcome: 'identified' })
      world.now += 17_000
    }
    world.now += 9 * minute - 17_000
    t.match(await ask(), { outcome: 'identified' })
  }
})

t.test('a use that cannot be noted ends nothing by itself, and is not tried for every request', async (t) => {
  const { ask, world } = agedWorld(10_000, 'fails')
  await ask()
  world.now += 2 * minute
  t.match(await ask(), { outcome: 'identified' })
  const { reads } = world
  for (let n = 0; n < 10; n++) t.match(ask(), { outcome: 'identified' })
  t.equal(world.reads, reads)
  world.now += 8 * minute
  t.match(await ask(), { outcome: 'anonymous' })
})

t.test('a session without "remember me" is noted too, and not prolonged', async (t) => {
  const { ask, world, noted, record } = agedWorld()
  world.row = record({ expiresAt: world.now + 30 * minute })
  world.now += 5 * minute
  t.match(await ask(undefined, `${header}; d=${signer.sign('true')}`), { outcome: 'identified' })
  t.equal(noted.length, 1)
  t.equal(world.row?.expiresAt, noted[0] === undefined ? 0 : noted[0] + 25 * minute)
})

t.test('a time that is none keeps no session alive', async (t) => {
  for (const wrong of [{ updatedAt: Number.NaN }, { createdAt: Number.NaN }]) {
    const { ask, world, record } = agedWorld()
    world.row = record(wrong)
    t.match(await ask(), { outcome: 'anonymous' })
  }
})

t.test('under /api/auth', async (t) => {
  const lifetimes = { idle: 600, absolute: 3_600 }
  const target = await startAuthApp(t, { lifetimes })
  const sql = (statement: string) => target.database.withDirectClient((client) => client.query(statement))
  const ages = (column: string, interval: string, email: string) =>
    sql(`update session set ${column} = now() - interval '${interval}'
      where user_id = (select id from "user" where email = '${email}')`)

  for (const [name, column, interval] of [
    ['idle', 'updated_at', '601 seconds'],
    ['absolute', 'created_at', '3601 seconds']
  ] as const) {
    t.test(`a session past its ${name} end is none`, async (t) => {
      const [device, other] = [new Device(target), new Device(target)]
      const email = `${name}@example.org`
      await device.signUp(email)
      await ages(column, interval, email)
      const answer = await device.fetch('/get-session')
      t.equal(await answer.json(), null)
      t.match(answer.headers.getSetCookie().join(), /session_token=;.*max-age=0/i)
      t.equal((await other.post('/sign-in/email', { email, password: 'correct horse' })).status, 200)
      const listed = (await (await other.fetch('/list-sessions')).json()) as unknown[]
      t.equal(listed.length, 1, 'nor is it listed')
      t.equal((await device.post('/change-password', { currentPassword: 'x', newPassword: 'y' })).status, 401)
    })
  }

  t.test('a use is noted, of a session without "remember me" too, whose end stays', async (t) => {
    for (const rememberMe of [true, false]) {
      const email = `used-${rememberMe}@example.org`
      await new Device(target).signUp(email)
      const device = new Device(target)
      await device.post('/sign-in/email', { email, password: 'correct horse', rememberMe })
      await ages('updated_at', '61 seconds', email)
      const read = async () => {
        const { rows } = await sql(`select s.updated_at > now() - interval '30 seconds' as noted, s.expires_at
          from session s join "user" u on u.id = s.user_id where u.email = '${email}' order by s.created_at desc limit 1`)
        return rows[0]
      }
      const before = await read()
      t.match(before, { noted: false })
      t.ok(await (await device.fetch('/get-session')).json())
      const after = await read()
      t.match(after, { noted: true })
      if (!rememberMe) t.same(after?.['expires_at'], before?.['expires_at'])
    }
  })

  t.test('neither row nor cookie outlasts the absolute end', async (t) => {
    const device = new Device(target)
    const answer = await device.post('/sign-up/email', {
      email: 'short@example.org',
      name: 'S',
      password: 'correct horse'
    })
    t.match(answer.headers.getSetCookie().join(), /session_token=[^;]+; max-age=3600;/i)
  })
})

t.test('a user has so many sessions, and the one that began first ends', async (t) => {
  const target = await startAuthApp(t, { lifetimes: { perUser: 3 } })
  const user = { email: 'ada@example.org', password: 'correct horse' }
  const devices = [new Device(target)]
  await devices[0]?.signUp(user.email)
  await new Device(target).signUp('bob@example.org')
  const living = async () => {
    const states: boolean[] = []
    for (const device of devices) {
      const headers = { cookie: device.cookieHeader }
      states.push((await (await new Device(target).fetch('/get-session', { headers })).json()) !== null)
    }
    return states
  }
  for (let n = 0; n < 4; n++) {
    const device = new Device(target)
    t.equal((await device.post('/sign-in/email', user)).status, 200)
    devices.push(device)
  }
  t.same(await living(), [false, false, true, true, true])
  t.equal(target.sessionsChanged.length, 2, 'and whoever caches them is told')

  t.test('of those that begin together too many end', async (t) => {
    const some = Array.from({ length: 8 }, () => new Device(target))
    for (const response of await Promise.all(some.map((device) => device.post('/sign-in/email', user))))
      t.equal(response.status, 200)
    devices.push(...some)
    t.equal((await living()).filter(Boolean).length, 3)
  })

  t.test('an expired one takes no place', async (t) => {
    await target.database.withDirectClient((client) =>
      client.query(`update session set expires_at = now() - interval '1 hour' where id in (
        select id from session where user_id = (select id from "user" where email = '${user.email}')
        order by created_at desc limit 2)`)
    )
    for (let n = 0; n < 2; n++) {
      const device = new Device(target)
      await device.post('/sign-in/email', user)
      devices.push(device)
    }
    t.equal((await living()).filter(Boolean).length, 3)
  })
})

t.test('an administrator who acts as a user takes no place and ends nothing', async (t) => {
  const target = await startAuthApp(t, { extension: { plugins: [admin()] }, lifetimes: { perUser: 1 } })
  const [boss, ada] = [new Device(target), new Device(target)]
  await boss.signUp('boss@example.org')
  const userId = await ada.signUp('ada@example.org')
  await target.database.withDirectClient((client) =>
    client.query(`update "user" set role = 'admin' where email = 'boss@example.org'`)
  )
  const isIn = async (device: Device) => (await (await device.fetch('/get-session')).json()) !== null
  t.equal((await boss.post('/admin/impersonate-user', { userId })).status, 200)
  t.ok(await isIn(ada))
  const again = new Device(target)
  await again.post('/sign-in/email', { email: 'ada@example.org', password: 'correct horse' })
  t.same([await isIn(again), await isIn(ada), await isIn(boss)], [true, false, true])
})

t.test('who knows the password and not the second factor ends nobody', async (t) => {
  const target = await startAuthApp(t, { extension: { plugins: [twoFactor()] }, lifetimes: { perUser: 1 } })
  const ada = new Device(target)
  const user = { email: 'ada@example.org', password: 'correct horse' }
  await ada.signUp(user.email)
  await target.database.withDirectClient((client) => client.query(`update "user" set two_factor_enabled = true`))
  const answer = await new Device(target).post('/sign-in/email', user)
  t.match(await answer.json(), { twoFactorRedirect: true })
  t.not(await (await ada.fetch('/get-session')).json(), null)
})

t.test('a hook that keeps sessions keeps them, and the sign-in ends', async (t) => {
  const extension: AuthExtension = { databaseHooks: { session: { delete: { before: async () => false } } } }
  const target = await startAuthApp(t, { extension, lifetimes: { perUser: 1 } })
  const user = { email: 'ada@example.org', password: 'correct horse' }
  await new Device(target).signUp(user.email)
  t.equal((await new Device(target).post('/sign-in/email', user)).status, 200)
})

t.test('what may be written', async (t) => {
  t.same(lifetimeProblems({ expiresIn: 86_400, updateAge: 0, idle: 900, absolute: 43_200, perUser: 1 }), [])
  t.same(lifetimeProblems({ idle: undefined }), [])
  t.same(lifetimeProblems({ idle: 59, absolute: '12h', perUser: 0, updateAge: -1, expires: 1, constructor: 1 }), [
    'session.idle: must be a whole number of seconds from 60 to 34560000',
    'session.absolute: must be a whole number of seconds from 60 to 34560000',
    'session.perUser: must be a whole number from 1 to 10000',
    'session.updateAge: must be a whole number of seconds from 0 to 34560000',
    'session.expires: is not known in this version',
    'session.constructor: is not known in this version'
  ])
  t.same(lifetimeProblems({ idle: 900, absolute: 600 }), [
    'session.idle: is longer than session.absolute, and would never be reached'
  ])
  t.same(lifetimeProblems([]), ['session: must be an object'])
  t.same(lifetimesSaidTwice({ expiresIn: 600, idle: 900 }, { session: { expiresIn: 700 } }), [
    'session.expiresIn: is also given as auth.session.expiresIn; keep one',
    'session.idle: is longer than a session lives without a refresh (expiresIn), and would never be reached'
  ])
  t.same(lifetimesSaidTwice({ idle: 900 }, {}), [])
  t.same(sessionOptions({ absolute: 600 }, { freshAge: 5 }), { freshAge: 5, expiresIn: 600 })
  t.same(sessionOptions({ absolute: 600 }, { expiresIn: 500 }), { expiresIn: 500 })
  t.same(sessionOptions({}, undefined), {})
})
