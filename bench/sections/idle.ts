import { Agent, get } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { Cleanup } from '../cleanup.ts'
import { page } from '../contenders/contender.ts'
import { warmOf } from '../contenders/gatehouse.ts'
import { startGateway } from '../gateway.ts'
import { measureSlice, type Slice } from '../measure.ts'
import { descriptorLimit, residentBytes } from '../os.ts'
import { digits, kilobytes } from '../report/numbers.ts'
import { cpuOf } from '../report/slices.ts'
import { cookieOf } from '../sessions-made.ts'
import { Stage } from '../stage.ts'
import { median } from '../statistics.ts'
import type { Context, Section } from './section.ts'

interface Kind {
  readonly name: string
  readonly figure: string
  open(url: string, cleanup: Cleanup): Promise<void>
}

interface Holding {
  readonly name: string
  readonly open: number
  /** Resident memory of the gateway per open connection, in bytes, over what it had before. */
  readonly each: number
  /** Milliseconds of each other request, one after the other; Infinity where there was no answer. */
  readonly others: readonly number[]
  /** Of the gateway, in microseconds for each request of a load of 32 connections beside them. */
  readonly cpu: number
}

const headersFor = (url: string) => ({ Cookie: cookieOf(0, url) })
const asked = 200

const kinds: readonly Kind[] = [
  { name: 'event streams', figure: 'stream-memory', open: openStream },
  { name: 'WebSockets', figure: 'socket-memory', open: openSocket }
]

/** Connections that stay open and say nothing: what each costs, and whether others are still answered. */
export const idleSection: Section = {
  name: 'idle',
  title: 'Idle connections',
  async run(context) {
    const stage = new Stage(context.cleanup)
    const limit = descriptorLimit('self')
    // Two for each connection in the gateway, one here and one in the upstream.
    const most = Math.min(context.quick ? 1_000 : 5_000, Math.floor((limit - 200) / 2))
    const holdings: Holding[] = []
    const figures: Record<string, readonly number[]> = {}
    for (const kind of kinds) {
      const held = await hold(kind, [0, 1_000, most], stage, context)
      holdings.push(...held)
      // The first thousand hide in memory that starting up has left free, so the worse of both counts.
      const each = held.filter(({ open }) => open > 0).map((holding) => holding.each * kilobytes)
      figures[kind.figure] = [Math.max(...each)]
    }
    const [none, ...some] = holdings.filter(({ name }) => name === 'event streams').map(({ cpu }) => cpu)
    const among = some.at(-1)
    if (none !== undefined && among !== undefined) figures['stream-cpu'] = [among / none]
    figures['idle-unanswered'] = [holdings.flatMap(({ others }) => others).filter((ms) => ms === Infinity).length]
    return {
      tables: [
        {
          title: `The gateway with connections open; a process may have ${limit.toLocaleString('en-US')} descriptors`,
          columns: [
            '',
            'open',
            'kB each',
            `other requests answered of ${asked}`,
            'their p50 ms',
            'CPU µs / request, 32 connections'
          ],
          rows: holdings.map(({ name, open, each, others, cpu }) => [
            name,
            String(open),
            digits(each * kilobytes),
            String(others.filter(Number.isFinite).length),
            digits(median(others)),
            digits(cpu)
          ])
        }
      ],
      figures,
      leftOut:
        most < 5_000 ? [`More than ${most} at once${context.quick ? ' when quick' : ': too few descriptors'}.`] : [],
      raw: holdings
    }
  }
}

async function hold(kind: Kind, steps: readonly number[], stage: Stage, context: Context): Promise<Holding[]> {
  const cleanup = new Cleanup()
  const holdings: Holding[] = []
  try {
    const gateway = await startGateway(cleanup, {
      DATABASE_URL: await stage.databaseUrl(),
      UPSTREAM_URL: (await stage.upstream()).url,
      // One session opens them all.
      LIVE_CONNECTIONS_PER_SESSION: '10000'
    })
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    cleanup.teardown(() => agent.destroy())
    const askOthers = () => askOneByOne(gateway.url + page, agent)
    for (let i = 0; i < 3; i++) await askOthers()
    await sleep(500)
    const before = residentBytes([gateway.pid])
    let open = 0
    for (const step of new Set(steps)) {
      context.say(`${step} ${kind.name}`)
      while (open < step) {
        const wave = Math.min(100, step - open)
        await Promise.all(Array.from({ length: wave }, () => kind.open(gateway.url, cleanup)))
        open += wave
      }
      await sleep(1_000)
      const each = open === 0 ? Number.NaN : (residentBytes([gateway.pid]) - before) / open
      const others = await askOthers()
      const slices: Slice[] = []
      for (let i = 0; i < (context.quick ? 1 : 5); i++)
        slices.push(await measureSlice(warmOf(gateway), context.generator, 32, 1))
      holdings.push({ name: kind.name, open, each, others, cpu: median(slices.map(cpuOf)) })
    }
    return holdings
  } finally {
    await cleanup.run()
  }
}

async function askOneByOne(url: string, agent: Agent): Promise<number[]> {
  const times: number[] = []
  for (let i = 0; i < asked; i++) {
    const before = performance.now()
    const answered = await new Promise<boolean>((done) => {
      const sent = get(url, { agent, headers: headersFor(url), timeout: 2_000 }, (response) => {
        response.resume().once('end', () => done(response.statusCode === 200))
      })
      sent.once('timeout', () => sent.destroy(new Error('no answer')))
      sent.once('error', () => done(false))
    })
    times.push(answered ? performance.now() - before : Number.POSITIVE_INFINITY)
  }
  return times
}

function openStream(url: string, cleanup: Cleanup): Promise<void> {
  return new Promise((done, fail) => {
    const sent = get(`${url}/stream`, { agent: false, headers: headersFor(url) }, (response) => {
      if (response.statusCode !== 200) fail(new Error(`a stream was answered ${response.statusCode}`))
      // Cut by us at the end.
      response.on('error', () => {})
      response.once('data', () => done())
    })
    sent.on('error', fail)
    cleanup.teardown(() => sent.destroy())
  })
}

function openSocket(url: string, cleanup: Cleanup): Promise<void> {
  return new Promise((done, fail) => {
    const socket = new WebSocket(url.replace('http', 'ws'), { headers: headersFor(url), perMessageDeflate: false })
    socket.once('open', () => done())
    socket.on('error', fail)
    cleanup.teardown(() => socket.terminate())
  })
}
