import { WebSocket } from 'ws'
import type { Random } from '../fuzz/random.ts'
import { closingLimitMs, type Timeline, type Times } from './bounds.ts'
import type { Judge } from './judge.ts'
import type { Model, Session } from './model.ts'
import type { World } from './world.ts'

interface Open {
  readonly session: Session
  readonly socket: WebSocket
  readonly openedAt: number
  isOurs: boolean
}

const most = 16

/** WebSockets of sessions that are alive when they are opened, and that may end at any moment. */
export class Sockets {
  readonly #world: World
  readonly #model: Model
  readonly #judge: Judge
  readonly #timeline: Timeline
  readonly #limitMs: number
  readonly #open = new Set<Open>()
  opened = 0

  constructor(world: World, model: Model, judge: Judge, timeline: Timeline, times: Times) {
    this.#world = world
    this.#model = model
    this.#judge = judge
    this.#timeline = timeline
    this.#limitMs = closingLimitMs(times)
  }

  /** Opens one more or closes one, and looks for those that should be gone. Resolves once that has been answered. */
  async step(random: Random): Promise<void> {
    this.check()
    const alive = [...this.#model.alive]
    if (alive.length === 0) return
    if (this.#open.size < most) return this.#dial(random.pick(alive), random)
    const [oldest] = this.#open
    if (oldest !== undefined) this.#close(oldest)
  }

  /** Finds those whose session has been over for too long, in a network that has been well for long enough. */
  check(): void {
    for (const open of this.#open) {
      const { endedAt } = open.session
      if (endedAt === undefined) continue
      const since = Math.max(endedAt, open.openedAt, this.#timeline.touchedAt)
      if (Date.now() - since <= this.#limitMs) continue
      this.#judge.find(`a WebSocket has outlived its session by ${Date.now() - endedAt} ms`)
      this.#close(open)
    }
  }

  /** How many are open although their session is over. */
  get outliving(): number {
    return [...this.#open].filter(({ session }) => session.endedAt !== undefined).length
  }

  closeAll(): void {
    for (const open of this.#open) this.#close(open)
  }

  #close(open: Open): void {
    open.isOurs = true
    open.socket.terminate()
    this.#open.delete(open)
  }

  #dial(session: Session, random: Random): Promise<void> {
    const replica = random.pick(this.#world.replicas)
    const sentAt = Date.now()
    const socket = new WebSocket(`${replica.url.replace('http', 'ws')}/chat`, {
      headers: { host: replica.host, cookie: session.cookie }
    })
    const judge = (verdict: string) =>
      this.#judge.judge({ session, what: 'WebSocket', sentAt, answeredAt: Date.now(), verdict })
    return new Promise((resolve) => {
      socket.on('open', () => {
        judge('let through')
        this.opened++
        this.#keep({ session, socket, openedAt: Date.now(), isOurs: false })
        resolve()
      })
      socket.on('unexpected-response', (_, { statusCode }) => {
        judge(statusCode === 401 ? 'refused' : statusCode === 503 ? 'unavailable' : `answered ${statusCode}`)
        socket.terminate()
        resolve()
      })
      // After an answer it is only the end of the socket, which is judged there.
      socket.on('error', () => resolve())
    })
  }

  #keep(open: Open): void {
    this.#open.add(open)
    open.socket.on('close', (code, reason) => {
      this.#open.delete(open)
      if (!open.isOurs) this.#judge.socketClosed(open.session, `${code} ${reason}`)
    })
  }
}
