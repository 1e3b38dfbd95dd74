import type { Random } from '../fuzz/random.ts'
import type { Timeline } from './bounds.ts'
import { count } from './statistics.ts'
import type { World } from './world.ts'

const sleep = (ms: number) => new Promise((resume) => setTimeout(resume, ms))
const listening = 'listen "gatehouse"'

type Fault = (world: World, random: Random) => Promise<void>

// Each leaves its fault in place for as long as it lasts; all of them are healed afterwards.
const faults: Readonly<Record<string, Fault>> = {
  async cut({ network }) {
    network.cut()
  },
  async cutChannel({ network }) {
    for (const connection of network.connections()) if (connection.said(listening)) connection.cut()
  },
  async refuse({ network }, random) {
    const ms = 300 + random.below(6_000)
    await network.refuse()
    await sleep(ms)
  },
  async freeze({ network }, random) {
    const ms = 300 + random.below(7_000)
    network.freeze()
    await sleep(ms)
  },
  // As long as it takes to be noticed, or less.
  async freezeChannel({ network }, random) {
    const ms = 1_000 + random.below(10_000)
    for (const connection of network.connections()) if (connection.said(listening)) connection.freeze()
    await sleep(ms)
  },
  async freezeOne({ network }, random) {
    const ms = 1_000 + random.below(7_000)
    const connections = network.connections()
    const which = random.below(1_000)
    connections[which % Math.max(1, connections.length)]?.freeze()
    await sleep(ms)
  },
  async delay({ network }, random) {
    const oneWayMs = 5 + random.below(400)
    const ms = 500 + random.below(5_000)
    network.delay(oneWayMs)
    await sleep(ms)
  },
  async restart({ postgres }, random) {
    const ms = random.below(2_500)
    await postgres.stop()
    await sleep(ms)
    await postgres.start()
  }
}

const names = Object.keys(faults)

/** One fault, from its beginning to its end. The same numbers are drawn whatever happens. */
export async function fault(
  world: World,
  timeline: Timeline,
  random: Random,
  counts: Record<string, number>
): Promise<void> {
  const name = random.pick(names)
  count(counts, name)
  const heal = timeline.begin()
  try {
    await faults[name]?.(world, random)
    await world.network.heal()
  } finally {
    heal()
  }
}

/** How long nothing is wrong after a fault: often too short for a gateway to settle, now and then long enough. */
export function calmMs(random: Random): number {
  return random.chance(0.2) ? 20_000 + random.below(10_000) : 200 + random.below(6_000)
}
