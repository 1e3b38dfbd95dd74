// One slice of load with autocannon. Reads what to do from its input and prints what it saw, both as JSON.
import { createRequire } from 'node:module'
import { text } from 'node:stream/consumers'
import { z } from 'zod'
import type { Answers, Load } from '../load/load.ts'

interface Client {
  setRequests(requests: readonly { headers: Record<string, string> }[]): void
}

interface Result {
  readonly requests: { readonly total: number }
  readonly duration: number
  readonly latency: { readonly p50: number; readonly p99: number; readonly p99_9: number }
  readonly errors: number
  readonly statusCodeStats: Readonly<Record<string, { readonly count: number }>>
}

// It brings no types.
const autocannon: (options: object) => Promise<Result> = createRequire(import.meta.url)('autocannon')

const task: { load: Load; connections: number; seconds: number } = z
  .object({
    load: z.object({
      url: z.string(),
      headers: z.record(z.string(), z.string()),
      status: z.number(),
      others: z.object({ cookies: z.array(z.string()), every: z.number() }).optional()
    }),
    connections: z.number(),
    seconds: z.number()
  })
  .parse(JSON.parse(await text(process.stdin)))
const { load, connections, seconds } = task
const { others } = load
let clients = 0

const result = await autocannon({
  url: load.url,
  headers: load.headers,
  connections,
  duration: seconds,
  setupClient(client: Client) {
    if (others === undefined) return
    // Every connection has cookies of its own, so that no two ask the same thing at once.
    const share = Math.floor(others.cookies.length / connections)
    const own = others.cookies.slice(clients * share, ++clients * share)
    const usual = Array.from({ length: others.every - 1 }, () => ({ headers: { ...load.headers } }))
    client.setRequests(own.flatMap((Cookie) => [...usual, { headers: { ...load.headers, Cookie } }]))
  }
})
const right = result.statusCodeStats[String(load.status)]?.count ?? 0
const answers: Answers & { wrong: number } = {
  requests: result.requests.total,
  seconds: result.duration,
  p50: result.latency.p50,
  p99: result.latency.p99,
  p999: result.latency.p99_9,
  wrong: result.errors + result.requests.total - right
}
process.stdout.write(JSON.stringify(answers))
