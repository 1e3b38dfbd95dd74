import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { createRateLimits, type RateLimits } from '../../auth/rate-limit.ts'
import { isRefusal } from '../../auth/refusals.ts'
import type { SecretAttempt } from '../../auth/wrong-secret-counts.ts'

const allowances = {
  failedSignInsPerAddress: { points: 2, seconds: 900 },
  failedSignIns: { points: 3, seconds: 900 }
}

/** One sign-in that ends with this status: what came of it, as a status. */
async function signIn(limits: RateLimits, attempt: SecretAttempt, status: number | Error): Promise<number> {
  try {
    const response = await limits.run(async () => {
      await limits.countAttempt(attempt)
      if (status instanceof Error) throw status
      return new Response(null, { status })
    })
    return response.status
  } catch (error) {
    if (isRefusal(error, 'RATE_LIMITED')) return error.statusCode ?? 0
    return 500
  }
}

const from = (address: string, ...names: string[]): SecretAttempt => ({ address, path: '/sign-in/email', names })

t.test('failures of one account are counted by address and in all', async (t) => {
  const limits = createRateLimits(allowances)
  t.equal(await signIn(limits, from('a', 'ada'), 401), 401)
  t.equal(await signIn(limits, from('a', 'ada'), 401), 401)
  t.equal(await signIn(limits, from('a', 'ada'), 200), 429, 'even with the right password')
  t.equal(await signIn(limits, from('a', 'bob'), 401), 401, 'another account')
  t.equal(await signIn(limits, from('b', 'ada'), 401), 401, 'another address')
  t.equal(await signIn(limits, from('c', 'ada'), 401), 429, 'in all')
})

t.test('a success, a malformed request and a failure of ours are given back', async (t) => {
  const limits = createRateLimits(allowances)
  for (const outcome of [200, 302, 400, 403, 503, new Error('no database')]) {
    for (let n = 0; n < 4; n++) await signIn(limits, from('a', 'ada'), outcome)
  }
  t.equal(await signIn(limits, from('a', 'ada'), 200), 200)
})

t.test('a success takes no failure back', async (t) => {
  const limits = createRateLimits(allowances)
  await signIn(limits, from('a', 'ada'), 401)
  for (let n = 0; n < 5; n++) t.equal(await signIn(limits, from('a', 'ada'), 200), 200)
  await signIn(limits, from('a', 'ada'), 401)
  t.equal(await signIn(limits, from('a', 'ada'), 200), 429)
})

t.test('refused attempts are not counted as failures', async (t) => {
  const limits = createRateLimits(allowances)
  for (let n = 0; n < 50; n++) await signIn(limits, from('a', 'ada'), 401)
  t.equal(await signIn(limits, from('b', 'ada'), 401), 401, 'two of three were used up')
  t.equal(await signIn(limits, from('c', 'ada'), 401), 429)
})

t.test('simultaneous guesses cannot pass before the first has failed', async (t) => {
  const limits = createRateLimits(allowances)
  const statuses = await Promise.all(Array.from({ length: 20 }, () => signIn(limits, from('a', 'ada'), 401)))
  t.equal(statuses.filter((status) => status === 401).length, 2)
  t.equal(statuses.filter((status) => status === 429).length, 18)
})

t.test('an account has one name, whatever its case and the blanks around it', async (t) => {
  const limits = createRateLimits(allowances)
  await signIn(limits, from('a', 'Ada@Example.org'), 401)
  await signIn(limits, from('a', ' ada@example.ORG '), 401)
  t.equal(await signIn(limits, from('a', 'ada@example.org'), 401), 429)
})

t.test('a made-up name beside the real one hides nothing', async (t) => {
  const limits = createRateLimits(allowances)
  for (let n = 0; n < 2; n++) await signIn(limits, from('a', `decoy${n}`, 'ada'), 401)
  t.equal(await signIn(limits, from('a', 'decoy9', 'ada'), 401), 429)
})

t.test('a name that an object would have of itself is a name', async (t) => {
  const limits = createRateLimits(allowances)
  for (const name of ['__proto__', 'constructor']) {
    await signIn(limits, from('a', name), 401)
    await signIn(limits, from('a', name), 401)
    t.equal(await signIn(limits, from('a', name), 401), 429)
  }
})

t.test('the wait is said in whole seconds and is never longer than the window', async (t) => {
  const limits = createRateLimits({ failedSignIns: { points: 1, seconds: 60 } })
  await signIn(limits, from('a', 'ada'), 401)
  const refused = limits.run(async () => {
    await limits.countAttempt(from('a', 'ada'))
    return new Response()
  })
  const error = await refused.then(
    () => t.fail('was not refused'),
    (reason: unknown) => reason
  )
  if (!isRefusal(error, 'RATE_LIMITED')) return t.fail('was refused with something else')
  const { retryAfter = 0 } = error
  t.ok(Number.isInteger(retryAfter) && retryAfter >= 1 && retryAfter <= 60)
  return t.equal(error.code, 'RATE_LIMITED')
})

t.test('the window ends', async (t) => {
  const limits = createRateLimits({ failedSignIns: { points: 1, seconds: 1 } })
  t.equal(await signIn(limits, from('a', 'ada'), 401), 401)
  t.equal(await signIn(limits, from('a', 'ada'), 401), 429)
  const deadline = Date.now() + 30_000
  let status = 429
  while (status === 429 && Date.now() < deadline) {
    await setTimeout(20)
    status = await signIn(limits, from('a', 'ada'), 401)
  }
  t.equal(status, 401)
})

t.test("BetterAuth's rules are counted per key and rule", async (t) => {
  const { storage } = createRateLimits()
  const rule = { window: 10, max: 2 }
  t.same(await storage.consume('1.2.3.4|/sign-in/email', rule), { allowed: true, retryAfter: null })
  t.same(await storage.consume('1.2.3.4|/sign-in/email', rule), { allowed: true, retryAfter: null })
  t.same(await storage.consume('1.2.3.4|/sign-in/email', rule), { allowed: false, retryAfter: 10 })
  t.match(await storage.consume('1.2.3.5|/sign-in/email', rule), { allowed: true })
  const long = `1.2.3.4|/${'x'.repeat(20_000)}`
  await storage.consume(long, rule)
  await storage.consume(long, rule)
  t.match(await storage.consume(long, rule), { allowed: false }, 'a long path too')
  t.match(await storage.consume(`${long}y`, rule), { allowed: true })
})

t.test('two gateways in one process share no counter', async (t) => {
  const rule = { window: 10, max: 1 }
  const one = createRateLimits()
  const other = createRateLimits()
  await one.storage.consume('k', rule)
  t.match(await other.storage.consume('k', rule), { allowed: true })
})
