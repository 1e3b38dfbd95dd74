/** A promise about speed or size, held against one number a round. */
export interface Goal {
  /** The section that measures it. */
  readonly section: string
  /** The name of its figure. */
  readonly figure: string
  readonly title: string
  /** `at most` or `at least`. */
  readonly sense: 'most' | 'least'
  /** Left out with `beyond`: the figure is shown and not judged. */
  readonly goal?: number
  /** What would be better still. */
  readonly beyond?: number
  /** What the number is, for the table; a ratio unless said. */
  readonly unit?: string
  /** Whether it is the same every time, so that once is enough: counts, and memory that is held. */
  readonly once?: true
  /** Whether it is a count, which no machine is too slow for: over it the benchmark fails. */
  readonly count?: true
}

const count = (figure: string, title: string, most: number, unit: string): Goal => ({
  section: 'counts',
  figure,
  title,
  sense: 'most',
  goal: most,
  beyond: most,
  unit,
  once: true,
  count: true
})

const at = (connections: number): Goal[] => [
  {
    section: 'warm',
    figure: `warm-cpu-to-node-undici@${connections}`,
    title: `CPU per request, warm session, to node:http and undici alone (${connections} connections)`,
    sense: 'most',
    goal: 1.15,
    beyond: 1.05
  },
  {
    section: 'warm',
    figure: `warm-cpu-to-http-proxy@${connections}`,
    title: `CPU per request, warm session, to @fastify/http-proxy without authentication (${connections} connections)`,
    sense: 'most',
    goal: 0.75,
    beyond: 0.65
  },
  {
    section: 'warm',
    figure: `warm-cpu-to-nginx-cached@${connections}`,
    title: `the same to nginx auth_request with cached answers (${connections})`,
    sense: 'most'
  },
  {
    section: 'warm',
    figure: `warm-cpu-to-get-session@${connections}`,
    title: `the same to getSession on every request (${connections})`,
    sense: 'most',
    goal: 1 / 12,
    beyond: 1 / 20
  },
  {
    section: 'warm',
    figure: `warm-rate-to-http-proxy@${connections}`,
    title: `requests per second, warm session, to @fastify/http-proxy (${connections})`,
    sense: 'least',
    goal: 1.3,
    beyond: 1.5
  },
  {
    section: 'warm',
    figure: `warm-cpu-to-public@${connections}`,
    title: `CPU, warm session to a public route (${connections})`,
    sense: 'most',
    goal: 1.05,
    beyond: 1.02
  },
  {
    section: 'warm',
    figure: `forged-cpu-to-warm@${connections}`,
    title: `CPU, 401 for a forged cookie to a proxied request (${connections})`,
    sense: 'most',
    goal: 0.5,
    beyond: 0.3
  },
  {
    section: 'warm',
    figure: `warm-memory@${connections}`,
    title: `resident memory under load, warm session (${connections})`,
    sense: 'most',
    goal: 180,
    beyond: 150,
    unit: 'MB'
  },
  {
    section: 'workers',
    figure: `workers-cpu@${connections}`,
    title: `CPU per request, WORKERS=2 to 1 (${connections})`,
    sense: 'most',
    goal: 1.1,
    beyond: 1
  }
]

/** What Gatehouse wants to be held to. All ratios are of the same run; requests per second of two proxies are shown. */
export const goals: readonly Goal[] = [
  ...at(32),
  ...at(128),
  {
    section: 'warm',
    figure: 'added-p50',
    title: 'p50 added at 1 connection, to what @fastify/http-proxy adds',
    sense: 'most'
  },
  {
    section: 'warm',
    figure: 'p50-to-node-undici',
    title: 'p50 at 1 connection, warm session, to node:http and undici alone',
    sense: 'most',
    goal: 1.15,
    beyond: 1.05
  },
  {
    section: 'warm',
    figure: 'uvicorn-kept',
    title: 'throughput of one uvicorn worker kept (32)',
    sense: 'least',
    goal: 0.85,
    beyond: 0.92
  },
  {
    section: 'miss',
    figure: 'miss-cpu-to-get-session',
    title: 'CPU, a miss on node-postgres to getSession on every request (32)',
    sense: 'most',
    goal: 1 / 4,
    beyond: 1 / 8
  },
  count('warm-queries', 'queries of a warm request', 0, 'queries'),
  count('miss-queries', 'queries of a miss on node-postgres', 1, 'queries'),
  count('forged-queries', 'queries of a forged cookie', 0, 'queries'),
  count('warm-promises', 'promises created by a warm request', 0, 'promises'),
  count('warm-header-collections', 'header collections made by a warm request', 2, 'collections'),
  count('stream-steps', 'blocks of code that a warm request runs more with 500 event streams open', 20, 'blocks'),
  {
    section: 'idle',
    figure: 'stream-cpu',
    title: 'CPU per other request with 5,000 event streams open, to that with none',
    sense: 'most',
    goal: 1.1,
    beyond: 1.03,
    once: true
  },
  {
    section: 'idle',
    figure: 'stream-memory',
    title: 'memory of each open event stream (1,000 or 5,000, the worse)',
    sense: 'most',
    goal: 40,
    beyond: 15,
    unit: 'kB',
    once: true
  },
  {
    section: 'idle',
    figure: 'socket-memory',
    title: 'memory of each open WebSocket (1,000 or 5,000, the worse)',
    sense: 'most',
    goal: 40,
    beyond: 15,
    unit: 'kB',
    once: true
  },
  {
    section: 'idle',
    figure: 'idle-unanswered',
    title: 'other requests that went unanswered meanwhile',
    sense: 'most',
    goal: 0,
    beyond: 0,
    unit: 'requests',
    once: true
  },
  {
    section: 'signin',
    figure: 'signin-p50',
    title: 'proxied p50 while 10 sign-ins a second run, to without (32)',
    sense: 'most',
    goal: 2,
    beyond: 1.3
  },
  {
    section: 'sessions',
    figure: 'sessions-warm',
    title: 'CPU, warm session, 1,000,000 sessions to 1,000',
    sense: 'most',
    goal: 1.05,
    beyond: 1
  },
  {
    section: 'sessions',
    figure: 'sessions-miss',
    title: 'p50 of a miss, 1,000,000 sessions to 1,000',
    sense: 'most',
    goal: 1.2,
    beyond: 1
  },
  {
    section: 'bodies',
    figure: 'bodies-growth',
    title: 'resident memory gained by 10 MB bodies both ways',
    sense: 'most',
    goal: 64,
    beyond: 30,
    unit: 'MB',
    once: true
  },
  {
    section: 'startup',
    figure: 'startup-seconds',
    title: 'first proxied answer after start on node-postgres',
    sense: 'most',
    goal: 0.7,
    beyond: 0.4,
    unit: 's'
  },
  {
    section: 'startup',
    figure: 'ready-memory',
    title: 'resident memory of a ready gateway on node-postgres',
    sense: 'most',
    goal: 120,
    beyond: 100,
    unit: 'MB'
  },
  {
    section: 'startup',
    figure: 'demo-memory',
    title: 'resident memory of the demo, all its processes',
    sense: 'most',
    goal: 350,
    beyond: 300,
    unit: 'MB',
    once: true
  }
]
