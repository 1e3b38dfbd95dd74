import { makeEmbedded } from '../../test/support/embedded-database.ts'
import { Cleanup } from '../cleanup.ts'
import { page } from '../contenders/contender.ts'
import { startGateway } from '../gateway.ts'
import { interleave } from '../measure.ts'
import { residentBytes } from '../os.ts'
import { startOwnProgram } from '../processes.ts'
import { megabytes, spread } from '../report/numbers.ts'
import { Stage } from '../stage.ts'
import type { Section } from './section.ts'

interface Start {
  readonly seconds: number
  readonly resident: number
}

/** The time from starting the process until it has answered its first proxied request. */
export const startupSection: Section = {
  name: 'startup',
  title: 'Start-up',
  async run(context) {
    const stage = new Stage(context.cleanup)
    const { url: upstream } = await stage.upstream()
    const databaseUrl = await stage.databaseUrl()
    const dataDir = await makeEmbedded(context.cleanup)
    const gateway = (env: Record<string, string>) => (cleanup: Cleanup) =>
      startGateway(cleanup, { ...env, UPSTREAM_URL: upstream })
    const contenders = [
      { name: 'Gatehouse on node-postgres', start: gateway({ DATABASE_URL: databaseUrl }) },
      {
        name: 'Gatehouse on its embedded database',
        start: gateway({ DATABASE_DRIVER: 'pglite', DATA_DIR: dataDir })
      },
      {
        name: '@fastify/http-proxy, no authentication',
        start: (cleanup: Cleanup) => startOwnProgram(cleanup, 'http-proxy', { upstream })
      }
    ]
    // The first time everything is read from the disk.
    if (!context.quick) await interleave(contenders, 1, ({ start }) => timeStart(start))
    const rounds = await interleave(contenders, context.quick ? 1 : 10, ({ start }) => timeStart(start))
    return {
      tables: [
        {
          title: 'From the start of the process to its first proxied answer, seen every 10 ms',
          columns: ['', 'seconds', 'memory MB'],
          rows: [...rounds].map(([name, starts]) => [
            name,
            spread(starts.map(({ seconds }) => seconds)),
            spread(
              starts.map(({ resident }) => resident),
              megabytes
            )
          ])
        }
      ],
      figures: {
        'startup-seconds': (rounds.get('Gatehouse on node-postgres') ?? []).map(({ seconds }) => seconds)
      },
      leftOut: [],
      raw: Object.fromEntries(rounds)
    }
  }
}

async function timeStart(start: (cleanup: Cleanup) => Promise<{ url: string; pid: number }>): Promise<Start> {
  const cleanup = new Cleanup()
  try {
    const before = performance.now()
    const { url, pid } = await start(cleanup)
    const answer = await fetch(`${url}/public${page}`)
    await answer.text()
    if (answer.status !== 200) throw new Error(`the first answer was ${answer.status}`)
    return { seconds: (performance.now() - before) / 1_000, resident: residentBytes([pid]) }
  } finally {
    await cleanup.run()
  }
}
