import t from 'tap'
import { RateLimitedError } from '../../auth/errors.ts'
import { createPasswordTurns } from '../../auth/passwords.ts'
import { createTurns } from '../../auth/turns.ts'
import { Device, startAuthApp } from '../support/auth-app.ts'

t.test(
  'of all that hashes a password, so much is done at once, and who is one too many hears when to come back',
  async (t) => {
    let hashing = 0
    let most = 0
    let letGo = () => {}
    const refusal = new Promise<void>((resolve) => {
      letGo = resolve
    })
    // As slow as it takes for the queue to be full once.
    let isFlooded = false
    async function hashSlowly<T>(result: T): Promise<T> {
      hashing += 1
      most = Math.max(most, hashing)
      if (isFlooded) await refusal
      hashing -= 1
      return result
    }
    const target = await startAuthApp(t, {
      passwordTurns: createTurns({ atOnce: 2, mostWaiting: 8, refusal: () => new RateLimitedError(2) }),
      extension: {
        emailAndPassword: {
          password: { verify: () => hashSlowly(true), hash: (password) => hashSlowly(password) }
        }
      }
    })
    const ada = new Device(target)
    await ada.signUp('ada@example.org')
    const password = 'correct horse'
    isFlooded = true
    const asked = Array.from({ length: 24 }, (_, n) => {
      const device = new Device(target)
      // Known accounts, unknown ones, and new ones.
      if (n % 3 === 0) return device.post('/sign-in/email', { email: 'ada@example.org', password })
      if (n % 3 === 1) return device.post('/sign-in/email', { email: `nobody${n}@example.org`, password })
      return device.post('/sign-up/email', { email: `new${n}@example.org`, password, name: 'new' })
    })
    for (const answer of asked) answer.then(({ status }) => status === 429 && letGo())
    const answers = await Promise.all(asked)
    t.equal(most, 2)
    const refused = answers.filter(({ status }) => status === 429)
    t.ok(refused.length > 0, `${refused.length} were turned away`)
    for (const answer of refused) {
      t.equal(answer.headers.get('retry-after'), '2')
      t.match(await answer.json(), { code: 'RATE_LIMITED' })
    }
    t.ok(answers.every(({ status }) => [200, 401, 429].includes(status)))
    t.equal((await new Device(target).post('/sign-in/email', { email: 'ada@example.org', password })).status, 200)
  }
)

t.test('processes that share a machine leave each other a turn', async (t) => {
  const takeTurn = createPasswordTurns(1_000)
  t.equal(await takeTurn(async () => 'done'), 'done')
})
