import http from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import type { Teardown } from './postgres.ts'

/** What a client asks, again and again. */
export interface LoadRequest {
  readonly path: string
  readonly method?: 'GET' | 'POST'
  readonly headers?: Record<string, string>
  readonly body?: string
}

export interface LoadAnswer {
  readonly status: number
  /** Whether the connection may be used again, as the answer says. */
  readonly keepsAlive: boolean
  readonly text: string
}

/** A client that keeps one connection alive, opens another when that is closed, and never tries a request again. */
export interface LoadClient {
  /** Rejects with the connection's error. */
  ask(request: LoadRequest): Promise<LoadAnswer>
}

/** Somebody with one connection, closed with the test. */
export function createLoadClient(t: Teardown, url: string): LoadClient {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  return {
    ask: ({ path, method = 'GET', headers = {}, body }) =>
      new Promise((resolve, reject) => {
        const sent = http.request(url + path, { agent, method, headers }, async (response) => {
          try {
            let text = ''
            for await (const chunk of response) text += chunk
            resolve({
              status: response.statusCode ?? 0,
              keepsAlive: response.headers.connection !== 'close',
              text
            })
          } catch (error) {
            reject(error)
          }
        })
        sent.on('error', reject)
        sent.end(body)
      })
  }
}

/** How a load went. */
export interface LoadResult {
  readonly answered: number
  /** What was no 200: the status, or the error's code, and the request's path. */
  readonly failures: readonly string[]
}

/** Has so many clients ask in turn for each of these until `goOn` says no, each after a short pause. */
export async function load(
  t: Teardown,
  url: string,
  requests: readonly LoadRequest[],
  goOn: (last: LoadAnswer | undefined) => boolean,
  clients = 12
): Promise<LoadResult> {
  let answered = 0
  const failures: string[] = []
  const run = async (n: number) => {
    const client = createLoadClient(t, url)
    let last: LoadAnswer | undefined
    for (let turn = n; goOn(last); turn++) {
      const request = requests[turn % requests.length]
      if (request === undefined) return
      try {
        last = await client.ask(request)
        answered++
        if (last.status !== 200) failures.push(`${last.status} ${request.path} ${last.text}`)
      } catch (error) {
        failures.push(`${error instanceof Error && 'code' in error ? error.code : String(error)} ${request.path}`)
      }
      await wait(turn % 7)
    }
  }
  await Promise.all(Array.from({ length: clients }, (_, n) => run(n)))
  return { answered, failures }
}
