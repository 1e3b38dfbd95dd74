import t from 'tap'
import { createPasswordHashLimit } from '../../auth/password-hash-limit.ts'
import { rateLimited } from '../../auth/refusals.ts'
import { createConcurrencyLimit } from '../../db/semaphore.ts'
import { Device, startAuthApp } from '../support/auth-app.ts'

const password = 'correct horse'

t.test(
  'of all that hashes a password, so much is done at once, and who is one too many hears when to come back',
  async (t) => {
    let hashing = 0
    let most = 0
    // While a flood is on, a hash takes as long as it takes for somebody to be turned away.
    let held: Promise<void> = Promise.resolve()
    async function hashSlowly<T>(result: T): Promise<T> {
      hashing += 1
      most = Math.max(most, hashing)
      await held
      hashing -= 1
      return result
    }
    const target = await startAuthApp(t, {
      passwordHashLimit: createConcurrencyLimit({ permits: 2, maxWaiting: 8, refusal: () => rateLimited(2) }),
      extension: {
        emailAndPassword: {
          password: { verify: () => hashSlowly(true), hash: (password) => hashSlowly(password) }
        }
      }
    })
    await new Device(target).signUp('ada@example.org')
    const signIn = (email: string) => new Device(target).post('/sign-in/email', { email, password })
    const kinds: Record<string, (n: number) => Promise<Response>> = {
      'sign-ins, to an account and to none': (n) => signIn(n % 2 === 0 ? 'ada@example.org' : `nobody${n}@example.org`),
      'sign-ups': (n) =>
        new Device(target).post('/sign-up/email', { email: `new${n}@example.org`, password, name: 'n' })
    }
    for (const [kind, ask] of Object.entries(kinds)) {
      await t.test(kind, async (t) => {
        let letGo = () => {}
        held = new Promise((resolve) => {
          letGo = resolve
        })
        const asked = Array.from({ length: 16 }, (_, n) => ask(n))
        for (const answer of asked) answer.then(({ status }) => status === 429 && letGo(), letGo)
        const answers = await Promise.all(asked)
        const refused = answers.filter(({ status }) => status === 429)
        t.ok(refused.length > 0, `${refused.length} were turned away`)
        for (const answer of refused) {
          t.equal(answer.headers.get('retry-after'), '2')
          t.match(await answer.json(), { code: 'RATE_LIMITED' })
        }
        t.same(
          answers.filter(({ status }) => ![200, 401, 429].includes(status)),
          []
        )
      })
    }
    t.equal(most, 2)
    t.equal((await signIn('ada@example.org')).status, 200)
  }
)

t.test('processes that share a machine leave each other a turn', async (t) => {
  const takeTurn = createPasswordHashLimit(1_000)
  t.equal(await takeTurn(async () => 'done'), 'done')
})
