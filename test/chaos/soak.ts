import type { Holdings } from '../fuzz/process.ts'
import { createRandom } from '../fuzz/random.ts'
import type { Teardown } from '../support/postgres.ts'
import { Timeline, type Times } from './bounds.ts'
import { Judge, type Judged } from './judge.ts'
import { Model } from './model.ts'
import { Lane } from './operations.ts'
import { control, follow, probe } from './probes.ts'
import { settled } from './settled.ts'
import { Sockets } from './sockets.ts'
import { buildWorld } from './world.ts'

export interface SoakOptions {
  readonly seed: number
  readonly seconds: number
  readonly requestsPerSecond: number
  /** Hears of what the two gateways hold, at the beginning, every two minutes, and at the end. */
  readonly onHoldings: (afterSeconds: number, holdings: readonly (Holdings | undefined)[]) => void
}

export interface SoakReport extends Judged {
  /** What each gateway logged about its database and its events. */
  readonly told: readonly Readonly<Record<string, number>>[]
  readonly operations: Readonly<Record<string, number>>
  readonly holdings: readonly { readonly afterSeconds: number; readonly held: readonly (Holdings | undefined)[] }[]
}

const lanes = 2
const followedAtOnce = 10
const reportEverySeconds = 120
const grownMb = 40
const grownDescriptors = 30
const sleep = (ms: number) => new Promise((resume) => setTimeout(resume, ms))

/**
 * A steady load on two gateways, with sessions that start and end, and one restart of the database halfway. Afterwards
 * they hold no more than they did when they were warm.
 */
export async function soak(t: Teardown, options: SoakOptions): Promise<SoakReport> {
  const { seed, seconds, requestsPerSecond } = options
  const world = await buildWorld(t, {
    driver: 'pg',
    beforeBridge: false,
    ttlSeconds: 10,
    staleSeconds: 0,
    refreshing: true
  })
  const times: Times = { ttlMs: 10_000, staleMs: 0, refreshing: true }
  const timeline = new Timeline()
  const model = new Model()
  const judge = new Judge(times, timeline)
  const sockets = new Sockets(world, model, judge, timeline, times)
  const operations: Record<string, number> = {}
  const holdings: { afterSeconds: number; held: (Holdings | undefined)[] }[] = []
  const startedAt = Date.now()
  const isOver = () => Date.now() > startedAt + seconds * 1_000
  let following = 0
  model.onEnded = (session) => {
    for (const replica of world.replicas) {
      if (following >= followedAtOnce) return
      following++
      void follow(replica, session, judge, times.ttlMs + 2_000).finally(() => following--)
    }
  }

  async function operate(index: number): Promise<void> {
    const random = createRandom(seed * 101 + index)
    const lane = new Lane({ world, model, judge, random, refreshing: true, counts: operations })
    while (!isOver()) {
      await lane.step()
      await sleep(200 + random.below(300))
    }
  }
  async function request(): Promise<void> {
    const random = createRandom(seed)
    let sent = 0
    while (!isOver()) {
      const due = ((Date.now() - startedAt) / 1_000) * requestsPerSecond
      // What a stall left undone is not made up for.
      for (sent = Math.max(sent, due - requestsPerSecond); sent < due; sent++) void probe(world, model, judge, random)
      await sleep(20)
    }
  }
  async function connect(): Promise<void> {
    const random = createRandom(seed * 107)
    while (!isOver()) {
      await sockets.step(random)
      await sleep(250)
    }
  }
  async function restart(): Promise<void> {
    await sleep(seconds * 500)
    const heal = timeline.begin()
    await world.postgres.stop()
    await sleep(2_000)
    await world.postgres.start()
    heal()
  }
  async function weigh(): Promise<void> {
    const afterSeconds = Math.round((Date.now() - startedAt) / 1_000)
    const held = await Promise.all(world.replicas.map((replica) => replica.holdings()))
    holdings.push({ afterSeconds, held })
    options.onHoldings(afterSeconds, held)
  }
  async function watch(): Promise<void> {
    while (!isOver()) {
      await weigh()
      await sleep(Math.min(reportEverySeconds * 1_000, Math.max(0, startedAt + seconds * 1_000 - Date.now()) + 1))
    }
  }

  await Promise.all([
    ...Array.from({ length: lanes }, (_, index) => operate(index)),
    request(),
    connect(),
    restart(),
    watch(),
    control(world, judge, isOver)
  ])
  await settled(world, model, judge, sockets, times)
  await weigh()
  sockets.closeAll()
  // The first was weighed before the gateways had done anything.
  const [, warm] = holdings
  for (const [index, held] of (holdings.at(-1)?.held ?? []).entries()) {
    const before = warm?.held[index]
    if (held === undefined || before === undefined) continue
    const text = `gateway ${index}: ${JSON.stringify(before)}, then ${JSON.stringify(held)}`
    if (held.residentMb > before.residentMb + grownMb || held.descriptors > before.descriptors + grownDescriptors)
      judge.find(text)
  }
  return { operations, holdings, told: world.replicas.map(({ told }) => told), ...judge.report }
}
