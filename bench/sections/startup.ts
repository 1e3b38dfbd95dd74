import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { makeEmbedded } from '../../test/support/embedded-database.ts'
import { Cleanup } from '../cleanup.ts'
import { page } from '../contenders/contender.ts'
import { startGateway } from '../gateway.ts'
import { interleave } from '../measure.ts'
import { residentBytes } from '../os.ts'
import { startOwnProgram, startProgram, temporaryFolder } from '../processes.ts'
import { megabytes, spread } from '../report/numbers.ts'
import { Stage } from '../stage.ts'
import type { Section, Table } from './section.ts'

const demoProgram = fileURLToPath(new URL('../../examples/demo.ts', import.meta.url))
const settleMs = 3_000
const demoFlags = ['--import', new URL('../../src/module-hooks.js', import.meta.url).href]

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
    const onPg = rounds.get('Gatehouse on node-postgres') ?? []
    const demo = await weighDemo(context.cleanup)
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
        },
        ...(typeof demo === 'number' ? [demoTable(demo)] : [])
      ],
      figures: {
        'startup-seconds': onPg.map(({ seconds }) => seconds),
        'ready-memory': onPg.map(({ resident }) => resident * megabytes),
        ...(typeof demo === 'number' && { 'demo-memory': [demo * megabytes] })
      },
      leftOut: typeof demo === 'number' ? [] : [demo],
      raw: Object.fromEntries(rounds)
    }
  }
}

function demoTable(resident: number): Table {
  return {
    title:
      'The demo, three seconds after it is ready: gateway, embedded database, example app and what looks after them',
    columns: ['', 'memory MB'],
    rows: [['`npm run demo` without npm', spread([resident], megabytes)]]
  }
}

/** Resident bytes of all the demo's processes on its second start; a sentence where it cannot start. */
async function weighDemo(cleanup: Cleanup): Promise<number | string> {
  const env = { DATA_DIR: await temporaryFolder(cleanup), PORT: '0', ADMIN_PORT: '0' }
  try {
    let resident = 0
    // The first start makes a virtual environment and a database.
    for (let start = 0; start < 2; start++) {
      const own = new Cleanup()
      cleanup.teardown(() => own.run())
      const { pid } = await startProgram(own, process.execPath, [...demoFlags, demoProgram], {
        env,
        ready: (output) => output.includes('Ctrl-C stops everything.'),
        timeoutMs: 300_000
      })
      // By then the embedded database has given back what it needs for being opened.
      await sleep(settleMs)
      resident = residentBytes([pid])
      await own.run()
    }
    return resident
  } catch (error) {
    return `The demo: ${error instanceof Error ? error.message.split('\n', 1)[0] : 'did not start'}.`
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
