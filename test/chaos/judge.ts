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
  readonly findings: readonly string[]
}

const mostFindings = 50
// Events take milliseconds; this is far from that, and far from the time that decisions last.
const noticedMs = 1_000

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
  #slowestMs = 0

  constructor(times: Times, timeline: Timeline) {
    this.#times = times
    this.#timeline = timeline
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
        if (this.#timeline.untouchedFor(storeIsBackMs, sentAt)) this.find(`503 without a fault: ${told()}`)
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
    return {
      requests: this.#requests,
      verdicts: this.#verdicts,
      letThrough: spread(this.#letThrough),
      letThroughInFaults: spread(this.#letThroughInFaults),
      closed: spread(this.#closed),
      closedInFaults: spread(this.#closedInFaults),
      slowestMs: this.#slowestMs,
      findings: this.#findings
    }
  }

  #wasWell({ endedAt }: Session): boolean {
    return endedAt !== undefined && this.#timeline.untouchedFor(channelIsBackMs, endedAt)
  }

  #story({ token, endsFrom, endedAt }: Session): string {
    const at = (time: number | undefined) => (time === undefined ? 'never' : `${time - this.#startedAt} ms`)
    return `session ${token.slice(0, 6)} ends from ${at(endsFrom)}, ended ${at(endedAt)}, network touched ${at(this.#timeline.touchedAt)}`
  }
}
