import { warmOf } from '../contenders/gatehouse.ts'
import { startGateway } from '../gateway.ts'
import { interleave, measureSlice, type Rounds, ratios, warmUp } from '../measure.ts'
import { cpuOf, rawOf, sliceTable } from '../report/slices.ts'
import { Stage } from '../stage.ts'
import type { Section, Table } from './section.ts'

/** Two processes on one port next to one. */
export const workersSection: Section = {
  name: 'workers',
  title: 'WORKERS 1 and 2',
  async run(context) {
    const stage = new Stage(context.cleanup)
    const env = { DATABASE_URL: await stage.databaseUrl(), UPSTREAM_URL: (await stage.upstream()).url }
    const gateways = []
    for (const count of ['1', '2']) {
      const running = warmOf(await startGateway(context.cleanup, { ...env, WORKERS: count }))
      gateways.push({ name: `WORKERS=${count}`, running })
      // Each of two gets half of it.
      for (let i = 0; i < Number(count); i++) await warmUp(running, context)
    }
    const tables: Table[] = []
    const figures: Record<string, readonly number[]> = {}
    const raw: Record<string, Rounds> = {}
    for (const connections of [32, 128]) {
      if (connections === 128 && context.quick) continue
      context.say(`${connections} connections`)
      const title = `${connections} connections`
      const rounds = await interleave(gateways, context.quick ? 1 : 20, ({ running }) =>
        measureSlice(running, context.generator, connections, 1)
      )
      raw[title] = rounds
      tables.push(sliceTable(title, rounds, { cpu: ['WORKERS=1', 'one'], rate: ['WORKERS=1', 'one'] }))
      figures[`workers-cpu@${connections}`] = ratios(rounds, 'WORKERS=2', 'WORKERS=1', cpuOf)
    }
    return { tables, figures, leftOut: [], raw: rawOf(raw) }
  }
}
