import { boundMs, channelIsBackMs, requestLimitMs, storeIsBackMs, type Timeline, type Times } from './bounds.ts'
import type { Session } from './model.ts'
import { count, type Spread, spread } from './statistics.ts'

/** What one request came to. */
export interface Outcome {
  readonly session: Session
  readonly what: string
  readonly sentAt: number
  readonly answeredAt: number
  /** `let through`: as who it is; `refused`: as nobody; otherwise the status or the error. */
  readonly verdict: 'let through' | 'refused' | 'unavailable' | string
}

export interface Judged {
  readonly requests: number
  readonly verdicts: Readonly<Record<string, number>>
  /** How long after their end sessions were let through for the last time, in ms, while nothing was wrong. */
  readonly letThrough: Spread
  /** The same where the network had been touched. */
  readonly letThroughInFaults: Spread
  /** The same of WebSockets. */
  readonly closed: Spread
  readonly closedInFaults: Spread
  readonly slowestMs: number
  /** How often the machine stood still for so long that time-outs passed which no fault explains. */
  readonly stalls: number
  readonly findings: readonly string[]
}

const mostFindings = 50
// Events take milliseconds; this is far from that, and far from the time that decisions last.
const noticedMs = 1_000
const slowMs = 1_500

/** Holds what was seen against the model. The bounds come from what the test did, never from a gateway. */
export class Judge {
  readonly #times: Times
  readonly #timeline: Timeline
  readonly #startedAt = Date.now()
  readonly #findings: string[] = []
  readonly #verdicts: Record<string, number> = {}
  readonly #letThrough: number[] = []
  readonly #letThroughInFaults: number[] = []
  readonly #closed: number[] = []
  readonly #closedInFaults: number[] = []
  #requests = 0
  #stalls = 0
  // Judged at the end: a request that took too long may explain one that was answered before it.
  readonly #unavailable: { readonly from: number; readonly to: number; readonly told: string }[] = []
  #slowestMs = 0

  constructor(times: Times, timeline: Timeline) {
    this.#times = times
    this.#timeline = timeline
  }

  /** Something took so long, up to now, that only a fault or the machine explains it. */
  stalled(ms: number): void {
    if (!this.#timeline.touched(Date.now() - ms, Date.now())) this.#stalls++
    this.#timeline.stalled(ms)
  }

  find(finding: string): void {
    if (this.#findings.length < mostFindings) this.#findings.push(`${Date.now() - this.#startedAt} ms: ${finding}`)
  }

  judge({ session, what, sentAt, answeredAt, verdict }: Outcome): void {
    const tookMs = answeredAt - sentAt
    const { endsFrom, endedAt } = session
    const told = () => `${what}, sent ${sentAt - this.#startedAt} ms, took ${tookMs} ms, ${this.#story(session)}`
    this.#requests++
    this.#slowestMs = Math.max(this.#slowestMs, tookMs)
    count(this.#verdicts, verdict)
    // Everything is on one machine, which may have had other things to do.
    if (tookMs > slowMs) this.stalled(tookMs)
    if (tookMs > requestLimitMs(this.#times)) this.find(`an answer took too long: ${told()}`)
    switch (verdict) {
      case 'let through':
        if (endedAt !== undefined && sentAt - endedAt > boundMs(this.#times, this.#timeline, endedAt)) {
          this.find(`a dead session was let through: ${told()}`)
        }
        break
      case 'refused':
        if (endsFrom === undefined) this.find(`a live session was refused: ${told()}`)
        break
      case 'unavailable':
        this.#unavailable.push({ from: sentAt - storeIsBackMs, to: answeredAt, told: told() })
        break
      default:
        this.find(`${verdict}: ${told()}`)
    }
  }

  /** This session was let through for the last time so long after its end; 0: never after it. */
  lastSeen(session: Session, ms: number): void {
    const well = this.#wasWell(session)
    if (well && ms > noticedMs) this.find(`nobody told the gateway for ${ms} ms: ${this.#story(session)}`)
    const list = well ? this.#letThrough : this.#letThroughInFaults
    list.push(ms)
  }

  socketClosed(session: Session, how: string): void {
    if (session.endsFrom === undefined)
      this.find(`a live session's WebSocket was closed: ${how}, ${this.#story(session)}`)
    if (session.endedAt === undefined) return
    const list = this.#wasWell(session) ? this.#closed : this.#closedInFaults
    list.push(Date.now() - session.endedAt)
  }

  get report(): Judged {
    for (const { from, to, told } of this.#unavailable) {
      if (!this.#timeline.touched(from, to)) this.find(`503 without a fault: ${told}`)
    }
    return {
      requests: this.#requests,
      verdicts: this.#verdicts,
      letThrough: spread(this.#letThrough),
      letThroughInFaults: spread(this.#letThroughInFaults),
      closed: spread(this.#closed),
      closedInFaults: spread(this.#closedInFaults),
      slowestMs: this.#slowestMs,
      stalls: this.#stalls,
      findings: this.#findings
    }
  }

  #wasWell({ endedAt }: Session): boolean {
    return endedAt !== undefined && !this.#timeline.touched(endedAt - channelIsBackMs, endedAt + noticedMs)
  }

  #story({ token, endsFrom, endedAt }: Session): string {
    const at = (time: number | undefined) =>
      time === undefined || time === 0 ? 'never' : `${time - this.#startedAt} ms`
    return `session ${token.slice(0, 6)} ends from ${at(endsFrom)}, ended ${at(endedAt)}, network touched ${at(this.#timeline.touchedAt)}`
  }
}
