import { createRandom } from '../fuzz/random.ts'
import type { Teardown } from '../support/postgres.ts'
import { Timeline, type Times } from './bounds.ts'
import { calmMs, fault } from './faults.ts'
import { Judge, type Judged } from './judge.ts'
import { Model } from './model.ts'
import { Lane } from './operations.ts'
import { control, follow, probe } from './probes.ts'
import { settled } from './settled.ts'
import { Sockets } from './sockets.ts'
import { buildWorld, type WorldOptions } from './world.ts'

export interface ChaosOptions {
  readonly seed: number
  readonly seconds: number
}

export interface ChaosReport extends Judged {
  readonly seed: number
  readonly world: WorldOptions
  readonly operations: Readonly<Record<string, number>>
  readonly faults: Readonly<Record<string, number>>
  readonly sockets: number
  /** What each gateway logged about its database and its events. */
  readonly told: readonly Readonly<Record<string, number>>[]
}

const lanes = 4
const probes = 5
const followedAtOnce = 20
const calmAtFirstMs = 6_000
const sleep = (ms: number) => new Promise((resume) => setTimeout(resume, ms))

/**
 * Two gateways, one database, and a network that fails, under operations that start and end sessions and requests that
 * go on all along. What it holds them to is in `judge.ts` and `bounds.ts`. The seed repeats the operations of each lane
 * and the faults, in their order; what meets what is up to the machine.
 */
export async function chaos(t: Teardown, { seed, seconds }: ChaosOptions): Promise<ChaosReport> {
  const options = worldOf(seed)
  const world = await buildWorld(t, options)
  const timeline = new Timeline()
  const times: Times = {
    ttlMs: options.ttlSeconds * 1_000,
    staleMs: options.staleSeconds * 1_000,
    refreshing: options.refreshing
  }
  const model = new Model()
  const judge = new Judge(times, timeline)
  const sockets = new Sockets(world, model, judge, timeline, times)
  const operations: Record<string, number> = {}
  const faults: Record<string, number> = {}
  const deadline = Date.now() + seconds * 1_000
  const isOver = () => Date.now() > deadline
  const following = new Set<Promise<void>>()
  model.onEnded = (session) => {
    for (const replica of world.replicas) {
      if (following.size >= followedAtOnce) return
      const done = follow(replica, session, judge, times.ttlMs + times.staleMs + 2_000).finally(() =>
        following.delete(done)
      )
      following.add(done)
    }
  }

  async function operate(index: number): Promise<void> {
    const random = createRandom(seed * 101 + index)
    const lane = new Lane({ world, model, judge, random, refreshing: options.refreshing, counts: operations })
    while (!isOver()) {
      await lane.step()
      await sleep(random.below(60))
    }
  }
  async function request(index: number): Promise<void> {
    const random = createRandom(seed * 103 + index)
    while (!isOver()) {
      await probe(world, model, judge, random)
      await sleep(4 + random.below(12))
    }
  }
  async function connect(): Promise<void> {
    const random = createRandom(seed * 107)
    while (!isOver()) {
      await sockets.step(random)
      await sleep(50)
    }
  }
  async function disturb(): Promise<void> {
    const random = createRandom(seed * 109)
    await sleep(calmAtFirstMs)
    while (!isOver()) {
      await fault(world, timeline, random, faults)
      await sleep(Math.min(calmMs(random), Math.max(0, deadline - Date.now())))
    }
  }

  await Promise.all([
    ...Array.from({ length: lanes }, (_, index) => operate(index)),
    ...Array.from({ length: probes }, (_, index) => request(index)),
    connect(),
    disturb(),
    control(world, judge, isOver)
  ])
  await Promise.all(following)
  await settled(world, model, judge, sockets, times)
  sockets.closeAll()
  return {
    seed,
    world: options,
    operations,
    faults,
    sockets: sockets.opened,
    told: world.replicas.map(({ told }) => told),
    ...judge.report
  }
}

/** The kind of world that a seed stands for. */
function worldOf(seed: number): WorldOptions {
  const random = createRandom(seed)
  const driver = random.pick(['pg', 'neon'] as const)
  return {
    driver,
    beforeBridge: random.chance(0.3),
    ttlSeconds: 3,
    staleSeconds: random.pick([0, 2]),
    refreshing: random.chance(0.4)
  }
}
