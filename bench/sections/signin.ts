import { setTimeout as sleep } from 'node:timers/promises'
import { warmOf } from '../contenders/gatehouse.ts'
import { type BenchGateway, startGateway } from '../gateway.ts'
import { interleave, measureSlice, ratios, type Slice, warmUp } from '../measure.ts'
import { cpuMicroseconds } from '../os.ts'
import { digits, spread } from '../report/numbers.ts'
import { cpuOf, p50Of, perSecond, rawOf } from '../report/slices.ts'
import { Stage } from '../stage.ts'
import type { Section } from './section.ts'

const people = 10
const password = 'correct horse battery'
const rate = 10

/** How many can sign in, and what proxied requests notice of it. */
export const signinSection: Section = {
  name: 'signin',
  title: 'Sign-ins',
  async run(context) {
    const stage = new Stage(context.cleanup)
    const gateway = await startGateway(context.cleanup, {
      DATABASE_URL: await stage.databaseUrl(),
      UPSTREAM_URL: (await stage.upstream()).url,
      // Attempts are limited by address; each of ours comes from another one.
      TRUSTED_PROXIES: 'loopback'
    })
    for (let n = 0; n < people; n++) await post(gateway, '/sign-up/email', n)
    const running = warmOf(gateway)
    await warmUp(running, context)

    context.say('as many sign-ins as it takes')
    const most = await signInAtOnce(gateway, 4, context.quick ? 1 : 10)
    const seconds = context.quick ? 1 : 4
    const lanes = [
      { name: 'without sign-ins', signIns: 0 },
      { name: `${rate} sign-ins a second`, signIns: rate }
    ]
    const rounds = await interleave(lanes, context.quick ? 1 : 5, async ({ signIns }): Promise<Slice> => {
      const [slice] = await Promise.all([
        measureSlice(running, context.generator, 32, seconds),
        signInSteadily(gateway, signIns, seconds)
      ])
      return slice
    })
    return {
      tables: [
        {
          title: 'Proxied requests of a warm session, 32 connections',
          columns: ['', 'p50 ms', 'p99 ms', 'p99.9 ms', 'requests / s', 'CPU µs / request, sign-ins included'],
          rows: [...rounds].map(([name, slices]) => [
            name,
            spread(slices.map(p50Of)),
            spread(slices.map(({ p99 }) => p99)),
            spread(slices.map(({ p999 }) => p999)),
            spread(slices.map(perSecond)),
            spread(slices.map(cpuOf))
          ])
        },
        {
          title: 'Nothing but sign-ins, 4 at a time',
          columns: ['', 'sign-ins / s', 'CPU ms each'],
          rows: [['sign-in by email and password', digits(most.perSecond), digits(most.cpuMs)]]
        }
      ],
      figures: { 'signin-p50': ratios(rounds, `${rate} sign-ins a second`, 'without sign-ins', p50Of) },
      leftOut: [],
      raw: { most, ...Object(rawOf({ rounds })) }
    }
  }
}

async function signInAtOnce(gateway: BenchGateway, atOnce: number, seconds: number) {
  const [cpu, started] = [cpuMicroseconds([gateway.pid]), performance.now()]
  let count = 0
  const workers = Array.from({ length: atOnce }, async () => {
    while (performance.now() - started < seconds * 1_000) await post(gateway, '/sign-in/email', count++)
  })
  await Promise.all(workers)
  const took = (performance.now() - started) / 1_000
  return { perSecond: count / took, cpuMs: (cpuMicroseconds([gateway.pid]) - cpu) / count / 1_000 }
}

async function signInSteadily(gateway: BenchGateway, perSecond: number, seconds: number): Promise<void> {
  const pending: Promise<void>[] = []
  for (let i = 0; i < perSecond * seconds; i++) {
    pending.push(post(gateway, '/sign-in/email', i))
    await sleep(1_000 / perSecond)
  }
  await Promise.all(pending)
}

let addresses = 0

async function post({ url }: BenchGateway, path: string, n: number): Promise<void> {
  const address = addresses++
  const person = `person${n % people}@example.com`
  const answer = await fetch(`${url}/api/auth${path}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      origin: url.replace('127.0.0.1', 'localhost'),
      'x-forwarded-for': `10.${(address >> 16) & 255}.${(address >> 8) & 255}.${address & 255}`
    },
    body: JSON.stringify({ email: person, password, name: 'Person' })
  })
  const text = await answer.text()
  if (answer.status !== 200) throw new Error(`${path} was answered ${answer.status}: ${text.slice(0, 200)}`)
}
