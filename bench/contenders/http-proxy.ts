import { startOwnProgram } from '../processes.ts'
import type { Stage } from '../stage.ts'
import { type Contender, page, type Running } from './contender.ts'

/** `@fastify/http-proxy` as it comes, which lets everybody pass. */
export const httpProxy: Contender = {
  name: '@fastify/http-proxy, no authentication',
  async start(stage) {
    return before(stage, (await stage.upstream()).url)
  }
}

/** The same before uvicorn. */
export const httpProxyUvicorn: Contender = {
  name: 'uvicorn behind @fastify/http-proxy',
  async start(stage) {
    return before(stage, (await stage.uvicorn()).url)
  }
}

async function before(stage: Stage, upstream: string): Promise<Running> {
  const { pid, url } = await startOwnProgram(stage.cleanup, 'http-proxy', { upstream })
  return { load: { url: url + page, headers: {}, status: 200 }, pids: [pid] }
}
