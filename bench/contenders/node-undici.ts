import { startOwnProgram } from '../processes.ts'
import { type Contender, page } from './contender.ts'

/** Node's HTTP server and undici, doing nothing but passing on: what no proxy in Node can go below. */
export const nodeUndici: Contender = {
  name: 'node:http and undici, nothing else',
  async start(stage) {
    const { pid, url } = await startOwnProgram(stage.cleanup, 'node-undici', { upstream: (await stage.upstream()).url })
    return { load: { url: url + page, headers: {}, status: 200 }, pids: [pid] }
  }
}
