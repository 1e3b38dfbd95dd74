import { missesOf, warmOf } from '../contenders/gatehouse.ts'
import { startGateway } from '../gateway.ts'
import { interleave, measureSlice, ratios, warmUp } from '../measure.ts'
import { cpuOf, p50Of, rawOf, sliceTable } from '../report/slices.ts'
import { createSessionDatabase } from '../sessions-made.ts'
import { Stage } from '../stage.ts'
import type { Section } from './section.ts'

/** Warm requests and misses as the number of live sessions in the database grows. */
export const sessionsSection: Section = {
  name: 'sessions',
  title: 'Live sessions in the database, 1 to 1,000,000',
  async run(context) {
    const stage = new Stage(context.cleanup)
    const { url: upstream } = await stage.upstream()
    const most = context.quick ? 50_000 : 1_000_000
    const lanes = []
    for (const sessions of [1, 1_000, most]) {
      context.say(`making ${sessions.toLocaleString('en-US')} sessions`)
      const env = {
        DATABASE_URL: await createSessionDatabase(await stage.postgres(), sessions),
        UPSTREAM_URL: upstream
      }
      lanes.push({ name: nameOf('warm', sessions), running: warmOf(await startGateway(context.cleanup, env)) })
      if (sessions === 1) continue
      // Without a cache, or a thousand sessions would all be in it.
      const uncached = await startGateway(context.cleanup, { ...env, SESSION_CACHE_TTL: '0' })
      lanes.push({ name: nameOf('miss', sessions), running: missesOf(uncached, sessions) })
    }
    for (const { running } of lanes) await warmUp(running, context)
    const rounds = await interleave(lanes, context.quick ? 1 : 20, ({ running }) =>
      measureSlice(running, context.generator, 32, 1)
    )
    const few = nameOf('warm', 1_000)
    const fewMissed = nameOf('miss', 1_000)
    return {
      tables: [sliceTable('32 connections', rounds, { cpu: [few, 'warm, 1,000'], rate: [few, 'warm, 1,000'] })],
      figures: {
        'sessions-warm': ratios(rounds, nameOf('warm', most), few, cpuOf),
        'sessions-miss': ratios(rounds, nameOf('miss', most), fewMissed, p50Of)
      },
      leftOut: ['A miss with one session only: simultaneous requests of one session share their look-up.'],
      raw: rawOf({ '32 connections': rounds })
    }
  }
}

function nameOf(kind: 'warm' | 'miss', sessions: number): string {
  return `${kind}, ${sessions.toLocaleString('en-US')} ${sessions === 1 ? 'session' : 'sessions'}`
}
