import { authLimitMs, boundMs, channelIsBackMs, requestLimitMs, storeIsBackMs, Timeline, type Times } from './bounds.ts'
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
  /** The answer that took longest, and what it was. */
  readonly slowest: { readonly ms: number; readonly told: string }
  /** How often the machine stood still for so long that time-outs may have passed which no fault explains. */
  readonly stalls: number
  readonly findings: readonly string[]
}

interface Doubtful {
  /** When an explanation would have to be found, in ms since the epoch. */
  readonly from: number
  readonly to: number
  readonly told: string
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
  readonly #machine = new Timeline()
  // Judged at the end: what explains them may be seen only later.
  readonly #unavailable: Doubtful[] = []
  readonly #late: Doubtful[] = []
  #slowest = { ms: 0, told: '' }

  constructor(times: Times, timeline: Timeline) {
    this.#times = times
    this.#timeline = timeline
  }

  /** What needs neither session nor database took so long, up to now: the machine had other things to do. */
  stalled(ms: number): void {
    if (!this.#machine.touched(Date.now() - ms, Date.now())) this.#stalls++
    this.#machine.stalled(ms)
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
    if (tookMs > this.#slowest.ms) this.#slowest = { ms: tookMs, told: `${verdict}: ${told()}` }
    count(this.#verdicts, verdict)
    // The database is on this machine too, and may have had no turn.
    if (tookMs > slowMs) this.#timeline.stalled(tookMs)
    this.tookNoLongerThan(what.startsWith('/api/auth') ? authLimitMs : requestLimitMs(this.#times), sentAt, told)
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

  /** Holds what has been answered just now to a limit in ms. */
  tookNoLongerThan(limitMs: number, sentAt: number, told: () => string): void {
    if (Date.now() - sentAt > limitMs) this.#late.push({ from: sentAt, to: Date.now(), told: told() })
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
    for (const { from, to, told } of this.#late) {
      if (!this.#machine.touched(from, to)) this.find(`an answer took too long: ${told}`)
    }
    return {
      requests: this.#requests,
      verdicts: this.#verdicts,
      letThrough: spread(this.#letThrough),
      letThroughInFaults: spread(this.#letThroughInFaults),
      closed: spread(this.#closed),
      closedInFaults: spread(this.#closedInFaults),
      slowest: this.#slowest,
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
