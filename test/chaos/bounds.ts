/** What the test has set the gateways to, and what their code waits for, in ms. */
export interface Times {
  readonly ttlMs: number
  readonly staleMs: number
  /** Whether sessions are refreshed all the time, so that look-ups may go through BetterAuth. */
  readonly refreshing: boolean
}

/** Until a connection must be there, and until a session must be read, in ms. */
export const connectionMs = 3_000
// What the database's drivers are built with. It is repeated here, so that a change of it is noticed.
const statementMs = 5_250
const heartbeatMs = 4_000
const slowestRetryMs = 1_500
const probePauseMs = 500
// The two processes and this one share few cores.
const machineMs = 2_000

/** After so long without a fault the channel for events is there: noticed to be lost, opened again, all read again. */
export const channelIsBackMs = heartbeatMs + statementMs + slowestRetryMs + connectionMs + machineMs

/** After so long without a fault the database is asked again, even if three short probes were not enough, and a long one is. */
export const storeIsBackMs = 3 * (0.3 * connectionMs + probePauseMs) + connectionMs + machineMs

/** What the test did to the network between gateways and database, and when. */
export class Timeline {
  readonly #wrong: { readonly from: number; to: number }[] = []

  /** Something is wrong from now on, until what this answers is called. */
  begin(): () => void {
    const fault = { from: Date.now(), to: Number.POSITIVE_INFINITY }
    this.#wrong.push(fault)
    return () => {
      fault.to = Date.now()
    }
  }

  /** Something was wrong so long until now that nobody meant: the machine stood still. */
  stalled(ms: number): void {
    const now = Date.now()
    const last = this.#wrong.at(-1)
    if (last === undefined || last.to < now - ms) this.#wrong.push({ from: now - ms, to: now })
    else last.to = Math.max(last.to, now)
  }

  /** Until when something was wrong, in ms since the epoch; now, if it still is. */
  get touchedAt(): number {
    return this.#wrong.reduce((last, { to }) => Math.max(last, Math.min(to, Date.now())), 0)
  }

  /** Whether anything was wrong from one moment until another, in ms since the epoch. */
  touched(from: number, to: number): boolean {
    return this.#wrong.some((fault) => fault.from <= to && fault.to >= from)
  }
}

/** How long after its end a session may be let through at most: what `SESSION_CACHE_TTL` and `SESSION_STALE_IF_ERROR` say. */
export function boundMs({ ttlMs, staleMs }: Times, timeline: Timeline, endedAt: number): number {
  // A look-up that many wait for may have read just before the end, and is as old as the connection timeout at most.
  const decision = Math.max(ttlMs, connectionMs)
  return timeline.touched(endedAt - storeIsBackMs, Date.now()) ? decision + staleMs : decision
}

/** How long a proxied request may take at most: two readings, should the first be cancelled, and what refreshing adds. */
export function requestLimitMs({ refreshing }: Times): number {
  const reading = connectionMs
  const refresh = refreshing ? connectionMs + reading : 0
  return 2 * (reading + refresh) + machineMs
}

/** How long one of BetterAuth's own may take: half a dozen statements that are slow, and one that never ends. */
export const authLimitMs = 6 * 1_500 + connectionMs + statementMs + machineMs

/** How long a WebSocket may outlive its session once the network is well: nobody asks the database less often than this. */
export function closingLimitMs({ ttlMs }: Times): number {
  return channelIsBackMs + ttlMs
}
