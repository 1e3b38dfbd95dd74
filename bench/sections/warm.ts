import { Cleanup } from '../cleanup.ts'
import { caddy } from '../contenders/caddy.ts'
import type { Contender, Running } from '../contenders/contender.ts'
import { direct, directUvicorn } from '../contenders/direct.ts'
import { forged, publicRoute, tenthMisses, warm, warmUvicorn } from '../contenders/gatehouse.ts'
import { getSession, getSessionCookieCache } from '../contenders/get-session.ts'
import { haproxy } from '../contenders/haproxy.ts'
import { httpProxy, httpProxyUvicorn } from '../contenders/http-proxy.ts'
import { nginx, nginxAuthRequest, nginxAuthRequestCached } from '../contenders/nginx.ts'
import { nodeUndici } from '../contenders/node-undici.ts'
import { oathkeeper } from '../contenders/oathkeeper.ts'
import { oauth2Proxy } from '../contenders/oauth2-proxy.ts'
import { traefik } from '../contenders/traefik.ts'
import { interleave, measureSlice, type Rounds, ratios, type Slice, warmUp } from '../measure.ts'
import { findProgram } from '../os.ts'
import { megabytes } from '../report/numbers.ts'
import { cpuOf, p50Of, perSecond, rawOf, sliceTable } from '../report/slices.ts'
import { Stage } from '../stage.ts'
import type { Context, Figures, Section, Table } from './section.ts'

const everyone: readonly Contender[] = [
  direct,
  nginx,
  haproxy,
  nginxAuthRequestCached,
  nginxAuthRequest,
  caddy,
  traefik,
  oathkeeper,
  oauth2Proxy,
  nodeUndici,
  httpProxy,
  getSessionCookieCache,
  getSession,
  warm,
  tenthMisses,
  forged,
  publicRoute
]
// Whose ratio to each other has a goal so near 1 that it takes more rounds. They are started anew for every few of them:
// of two processes of one program the one can need a tenth more than the other, for as long as it lives.
const near: readonly Contender[] = [warm, publicRoute, forged, httpProxy, nodeUndici]
const alone: readonly Contender[] = [direct, nodeUndici, httpProxy, warm]
const starts = 5
const roundsEach = 4
const beforeUvicorn: readonly Contender[] = [directUvicorn, httpProxyUvicorn, warmUvicorn]

type Runner = Contender & { readonly running: Running }

/** Proxied requests of every kind, before the tiny upstream and before uvicorn, next to what others need for them. */
export const warmSection: Section = {
  name: 'warm',
  title: 'Proxied requests',
  async run(context) {
    const stage = new Stage(context.cleanup)
    const leftOut: string[] = []
    const runners = await startAll([...everyone, ...beforeUvicorn], stage, leftOut, context)
    const of = (contenders: readonly Contender[]) =>
      runners.filter(({ name }) => contenders.some((c) => c.name === name))
    const raw: Record<string, Rounds> = {}
    const run = async (
      title: string,
      contenders: readonly Contender[],
      connections: number,
      [quick, full]: readonly [number, number],
      seconds = 1
    ) => {
      const rounds = context.quick ? quick : full
      context.say(`${title}: rounds ${rounds}`)
      raw[title] = await interleave(of(contenders), rounds, ({ running }) =>
        measureSlice(running, context.generator, connections, seconds)
      )
      return raw[title]
    }

    for (const { needs, running } of runners) if (needs === undefined || !context.quick) await warmUp(running, context)
    const nearer = context.quick ? new Map<number, Rounds>() : await startedAnew(context)
    const tables: Table[] = []
    const figures: Record<string, readonly number[]> = {}
    for (const connections of [32, 128]) {
      const title = `${connections} connections`
      if (connections === 128 && context.quick) continue
      const rounds = await run(title, everyone, connections, [1, 9], context.quick || connections === 128 ? 1 : 2)
      tables.push(tableOf(title, rounds))
      const close = nearer.get(connections)
      if (close !== undefined) {
        raw[`${title}, near`] = close
        tables.push(nearTable(`${title}, ${starts} starts of ${roundsEach} rounds each`, close))
      }
      Object.assign(figures, figuresOf(rounds, close ?? rounds, connections))
    }
    const single = nearer.get(1) ?? (await run('1 connection', alone, 1, [1, 1]))
    raw['1 connection'] = single
    tables.push(tableOf('1 connection', single))
    figures['added-p50'] = ratioOfAdded(single, warm.name)
    figures['p50-to-node-undici'] = ratios(single, warm.name, nodeUndici.name, p50Of)
    const uvicorn = await run('uvicorn', beforeUvicorn, 32, [1, 10])
    tables.push(tableOf('One uvicorn worker as the upstream, 32 connections', uvicorn, directUvicorn.name))
    figures['uvicorn-kept'] = ratios(uvicorn, warmUvicorn.name, directUvicorn.name, perSecond)
    const chart = Object.fromEntries(
      [...(raw['32 connections'] ?? [])].map(([name, slices]) => [name, slices.map(cpuOf)])
    )
    return { tables, figures, leftOut, raw: rawOf(raw), chart }
  }
}

/** What is near to each other, by the number of connections. */
async function startedAnew(context: Context): Promise<Map<number, Rounds>> {
  const all = new Map([32, 128, 1].map((connections): [number, Map<string, Slice[]>] => [connections, new Map()]))
  for (let start = 1; start <= starts; start++) {
    context.say(`start ${start} of ${starts}`)
    const cleanup = new Cleanup()
    context.cleanup.teardown(() => cleanup.run())
    const runners = await startAll([direct, ...near], new Stage(cleanup), [], { say: () => {} })
    for (const { running } of runners) await warmUp(running, context)
    for (const [connections, found] of all) {
      const asked = connections === 1 ? alone : near
      const rounds = await interleave(
        runners.filter(({ name }) => asked.some((contender) => contender.name === name)),
        roundsEach,
        ({ running }) => measureSlice(running, context.generator, connections, 1)
      )
      for (const [name, slices] of rounds) found.set(name, [...(found.get(name) ?? []), ...slices])
    }
    await cleanup.run()
  }
  return all
}

async function startAll(
  contenders: readonly Contender[],
  stage: Stage,
  leftOut: string[],
  { say }: Pick<Context, 'say'>
): Promise<Runner[]> {
  const runners: Runner[] = []
  for (const contender of contenders) {
    if (contender.needs !== undefined && findProgram(contender.needs) === undefined) {
      leftOut.push(`${contender.name}: ${contender.needs} is not installed.`)
      continue
    }
    say(`starting ${contender.name}`)
    try {
      runners.push({ ...contender, running: await contender.start(stage) })
    } catch (error) {
      leftOut.push(`${contender.name}: ${error instanceof Error ? lastLine(error.message) : 'did not start'}.`)
    }
  }
  return runners
}

function lastLine(text: string): string {
  return text.trimEnd().split('\n').at(-1) ?? ''
}

function tableOf(title: string, rounds: Rounds, reference = direct.name): Table {
  const bare = reference === direct.name ? httpProxy.name : httpProxyUvicorn.name
  return sliceTable(title, rounds, { cpu: [bare, 'http-proxy'], rate: [reference, 'direct'] })
}

function nearTable(title: string, rounds: Rounds): Table {
  return sliceTable(title, rounds, { cpu: [httpProxy.name, 'http-proxy'], rate: [httpProxy.name, 'http-proxy'] })
}

function figuresOf(rounds: Rounds, close: Rounds, connections: number): Figures {
  return {
    [`warm-cpu-to-node-undici@${connections}`]: ratios(close, warm.name, nodeUndici.name, cpuOf),
    [`warm-memory@${connections}`]: (close.get(warm.name) ?? []).map(({ resident }) => resident * megabytes),
    [`warm-cpu-to-http-proxy@${connections}`]: ratios(close, warm.name, httpProxy.name, cpuOf),
    [`warm-rate-to-http-proxy@${connections}`]: ratios(close, warm.name, httpProxy.name, perSecond),
    [`warm-cpu-to-public@${connections}`]: ratios(close, warm.name, publicRoute.name, cpuOf),
    [`warm-cpu-to-nginx-cached@${connections}`]: ratios(rounds, warm.name, nginxAuthRequestCached.name, cpuOf),
    [`warm-cpu-to-get-session@${connections}`]: ratios(rounds, warm.name, getSession.name, cpuOf),
    [`forged-cpu-to-warm@${connections}`]: ratios(close, forged.name, warm.name, cpuOf)
  }
}

// What stands between adds to the upstream's own time; the two additions are set against each other.
function ratioOfAdded(rounds: Rounds, of: string): number[] {
  const base = rounds.get(direct.name) ?? []
  const bare = rounds.get(httpProxy.name) ?? []
  return (rounds.get(of) ?? []).flatMap(({ p50 }, round) => {
    const [without, other] = [base[round]?.p50, bare[round]?.p50]
    return without === undefined || other === undefined ? [] : [(p50 - without) / (other - without)]
  })
}
