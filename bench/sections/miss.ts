import { openDatabase } from '../../db/open-database.ts'
import { makeEmbedded } from '../../test/support/embedded-database.ts'
import { startNeonBridge } from '../../test/support/neon-bridge.ts'
import { startTcpProxy } from '../../test/support/tcp-proxy.ts'
import { missesOf, warm } from '../contenders/gatehouse.ts'
import { getSession } from '../contenders/get-session.ts'
import { httpProxy } from '../contenders/http-proxy.ts'
import { startGateway } from '../gateway.ts'
import { interleave, measureSlice, type Rounds, ratios, warmUp } from '../measure.ts'
import { digits, spread } from '../report/numbers.ts'
import { cpuOf, p50Of, perSecond, rawOf } from '../report/slices.ts'
import { sessionStatements } from '../sessions-made.ts'
import { Stage, usualSessions } from '../stage.ts'
import { median } from '../statistics.ts'
import type { Context, Section, Table } from './section.ts'

const onPg = 'miss, node-postgres'

/** What a session costs that the gateway has not seen lately: on every database, near and 20 ms away. */
export const missSection: Section = {
  name: 'miss',
  title: 'Misses',
  async run(context) {
    const stage = new Stage(context.cleanup)
    const lanes = [
      { name: httpProxy.name, running: await httpProxy.start(stage) },
      { name: getSession.name, running: await getSession.start(stage) },
      { name: warm.name, running: await warm.start(stage) }
    ]
    const upstream = (await stage.upstream()).url
    for (const [name, env] of await databases(stage, context)) {
      context.say(`starting ${name}`)
      const gateway = await startGateway(context.cleanup, { ...env, UPSTREAM_URL: upstream })
      lanes.push({ name, running: missesOf(gateway, usualSessions) })
    }
    for (const { running } of lanes) await warmUp(running, context)
    const run = async (connections: number) => {
      context.say(`${connections} connections`)
      return interleave(lanes, context.quick ? 1 : 5, ({ running }) =>
        measureSlice(running, context.generator, connections, 1)
      )
    }
    const [many, single] = [await run(32), await run(1)]
    return {
      tables: [tableOf(many, single)],
      figures: {
        'miss-cpu-to-get-session': ratios(many, onPg, getSession.name, cpuOf)
      },
      leftOut: ['PGlite 20 ms away: it is in the gateway’s own process.'],
      raw: rawOf({ '32 connections': many, '1 connection': single })
    }
  }
}

async function databases(stage: Stage, { cleanup }: Context): Promise<[string, Record<string, string>][]> {
  const { port } = await stage.postgres()
  const url = await stage.databaseUrl()
  const far = await startTcpProxy(cleanup, port)
  far.delay(10)
  const bridge = await startNeonBridge(cleanup, port)
  const farBridge = await startTcpProxy(cleanup, Number(bridge.split(':')[1]))
  farBridge.delay(10)
  const farUrl = new URL(url)
  farUrl.port = String(far.port)
  const neon = { DATABASE_URL: url, DATABASE_DRIVER: 'neon' }
  const dataDir = await makeEmbedded(cleanup)
  const embedded = await openDatabase({ driver: 'pglite', dataDir })
  await embedded.withDirectClient(async (client) => {
    for (const statement of sessionStatements(usualSessions)) await client.query(statement)
  })
  await embedded.close()
  return [
    [onPg, { DATABASE_URL: url }],
    [`${onPg}, 20 ms away`, { DATABASE_URL: farUrl.href }],
    ['miss, Neon’s driver', { ...neon, NEON_WS_PROXY: bridge }],
    ['miss, Neon’s driver, 20 ms away', { ...neon, NEON_WS_PROXY: `127.0.0.1:${farBridge.port}` }],
    ['miss, PGlite', { DATABASE_DRIVER: 'pglite', DATA_DIR: dataDir }]
  ]
}

function tableOf(many: Rounds, single: Rounds): Table {
  const warmCpu = median((many.get(warm.name) ?? []).map(cpuOf))
  return {
    title: 'A request that needs a look-up; latency at 1 connection, the rest at 32',
    columns: [
      '',
      'CPU µs / request',
      'look-up alone, µs',
      '× getSession',
      'p50 ms at 1',
      'p50 ms',
      'p99 ms',
      'requests / s'
    ],
    rows: [...many].map(([name, slices]) => [
      name,
      spread(slices.map(cpuOf)),
      name.startsWith('miss') ? digits(median(slices.map(cpuOf)) - warmCpu) : '–',
      spread(ratios(many, name, getSession.name, cpuOf)),
      spread((single.get(name) ?? []).map(p50Of)),
      spread(slices.map(p50Of)),
      spread(slices.map(({ p99 }) => p99)),
      spread(slices.map(perSecond))
    ])
  }
}
