import { scrypt } from 'node:crypto'
import t from 'tap'
import { Device, startAuthApp } from '../support/auth-app.ts'

t.test('sign-in and sign-up over HTTP', async (t) => {
  let hashed = 0
  const target = await startAuthApp(t, {
    extension: {
      emailAndPassword: {
        password: {
          hash: (password) => digest(password),
          verify: async ({ hash, password }) => {
            hashed += 1
            return hash === (await digest(password))
          }
        }
      }
    }
  })
  await new Device(target).signUp('ada@example.org')

  t.test('an address may try three times in ten seconds, and then no password is hashed', async (t) => {
    const device = new Device(target)
    const right = { email: 'ada@example.org', password: 'correct horse' }
    for (let n = 0; n < 3; n++) t.equal((await device.post('/sign-in/email', right)).status, 200)
    const before = hashed
    const refused = await device.post('/sign-in/email', right)
    await isRateLimited(t, refused, 10)
    t.equal(hashed, before)
    t.equal((await new Device(target).post('/sign-in/email', right)).status, 200, 'another address may')
    t.equal((await device.fetch('/get-session')).status, 200, 'and other things may be asked')
  })

  t.test('simultaneous tries are held to the same three', async (t) => {
    const device = new Device(target)
    const body = { email: 'nobody@example.org', password: 'x' }
    const answers = await Promise.all(Array.from({ length: 12 }, () => device.post('/sign-in/email', body)))
    t.equal(answers.filter(({ status }) => status === 429).length, 9)
  })

  t.test('sign-up is limited by address too', async (t) => {
    const device = new Device(target)
    for (let n = 0; n < 3; n++) await device.post('/sign-up/email', {})
    await isRateLimited(t, await device.post('/sign-up/email', {}), 10)
  })

  t.test('the addresses of one IPv6 /64 are one', async (t) => {
    const body = { email: 'nobody@example.org', password: 'x' }
    for (let n = 1; n <= 3; n++) await new Device(target, `2001:db8::${n}`).post('/sign-in/email', body)
    t.equal((await new Device(target, '2001:db8::ffff:9').post('/sign-in/email', body)).status, 429)
    t.equal((await new Device(target, '2001:db8:0:1::9').post('/sign-in/email', body)).status, 401)
  })

  t.test('a client cannot choose the address that it is counted under', async (t) => {
    const ip = new Device(target).ip
    const statuses: number[] = []
    for (let n = 0; n < 4; n++) {
      const headers = { 'x-gatehouse-client-address': `9.9.9.${n}`, 'x-real-ip': `9.9.9.${n}` }
      const device = new Device(target, ip)
      statuses.push((await device.post('/sign-in/email', { email: 'q@example.org', password: 'x' }, headers)).status)
    }
    t.same(statuses, [401, 401, 401, 429])
  })

  t.test('who has a session may not guess its password by deleting the account', async (t) => {
    const device = new Device(target)
    await device.signUp('grace@example.org')
    const guess = { password: 'not the password' }
    for (let n = 0; n < 3; n++) t.equal((await device.post('/delete-user', guess)).status, 400)
    const before = hashed
    await isRateLimited(t, await device.post('/delete-user', guess), 10)
    t.equal(hashed, before)
  })

  t.test('looking up a session and signing out are not limited', async (t) => {
    const device = new Device(target)
    const statuses = await Promise.all(Array.from({ length: 120 }, () => device.fetch('/get-session')))
    t.ok(statuses.every(({ status }) => status === 200))
    const left = await Promise.all(Array.from({ length: 120 }, () => device.fetch('/sign-out', { method: 'POST' })))
    t.ok(left.every(({ status }) => status === 200))
  })
})

t.test('failed sign-ins of one email, from ever new addresses', async (t) => {
  let hashed = 0
  const target = await startAuthApp(t, {
    limits: {
      failedSignInsPerAddress: { points: 2, seconds: 900 },
      failedSignIns: { points: 4, seconds: 900 }
    },
    extension: {
      emailAndPassword: {
        password: {
          hash: async (password) => {
            hashed += 1
            return digest(password)
          },
          verify: async ({ hash, password }) => {
            hashed += 1
            return hash === (await digest(password))
          }
        }
      }
    }
  })
  const json = { 'content-type': 'application/json' }
  const form = { 'content-type': 'application/x-www-form-urlencoded' }

  t.test('are counted whatever the type of the body, the case of the email and the order of keys', async (t) => {
    await new Device(target).signUp('ada@example.org')
    const guesses: [Record<string, string>, string][] = [
      [json, '{"email":"Ada@Example.org","password":"guess"}'],
      [form, 'password=guess&email=ADA%40example.org'],
      [json, '{"email":"decoy@example.org","password":"guess","email":"ada@example.org"}'],
      [form, 'email=decoy%40example.org&password=guess&email=ada%40example.org']
    ]
    for (const [headers, body] of guesses) {
      const response = await new Device(target).fetch('/sign-in/email', { method: 'POST', headers, body })
      t.equal(response.status, 401)
    }
    const before = hashed
    const right = JSON.stringify({ email: 'ada@example.org', password: 'correct horse' })
    const refused = await new Device(target).fetch('/sign-in/email', { method: 'POST', headers: json, body: right })
    await isRateLimited(t, refused, 900)
    t.equal(hashed, before, 'no password was hashed for it')
  })

  t.test('are limited earlier from one address', async (t) => {
    await new Device(target).signUp('bob@example.org')
    const ip = new Device(target).ip
    const guess = { email: 'bob@example.org', password: 'guess' }
    t.equal((await new Device(target, ip).post('/sign-in/email', guess)).status, 401)
    t.equal((await new Device(target, ip).post('/sign-in/email', guess)).status, 401)
    await isRateLimited(t, await new Device(target, ip).post('/sign-in/email', guess), 900)
    const right = { email: 'bob@example.org', password: 'correct horse' }
    t.equal((await new Device(target).post('/sign-in/email', right)).status, 200, 'bob himself, elsewhere')
  })

  t.test('a success does not count, and an email that nobody has is counted alike', async (t) => {
    await new Device(target).signUp('cara@example.org')
    const right = { email: 'cara@example.org', password: 'correct horse' }
    for (let n = 0; n < 6; n++) t.equal((await new Device(target).post('/sign-in/email', right)).status, 200)
    const nobody = { email: 'nobody@example.org', password: 'guess' }
    for (let n = 0; n < 4; n++) t.equal((await new Device(target).post('/sign-in/email', nobody)).status, 401)
    t.equal((await new Device(target).post('/sign-in/email', nobody)).status, 429)
  })
})

async function isRateLimited(t: Pick<AssertingTest, 'equal' | 'match' | 'ok'>, response: Response, longest: number) {
  t.equal(response.status, 429)
  t.match(response.headers.get('content-type'), /^application\/problem\+json/)
  t.match(await response.json(), { code: 'RATE_LIMITED', status: 429 })
  const wait = Number(response.headers.get('retry-after'))
  t.ok(Number.isInteger(wait) && wait >= 1 && wait <= longest)
}

type AssertingTest = typeof t

function digest(password: string): Promise<string> {
  return new Promise((resolve, reject) => {
    scrypt(password, 'salt', 16, { N: 2 }, (error, key) => (error ? reject(error) : resolve(key.toString('hex'))))
  })
}
