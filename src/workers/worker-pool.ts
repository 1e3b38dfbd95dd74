import cluster from 'node:cluster'
import { setTimeout as wait } from 'node:timers/promises'
import type { Logger } from 'pino'
import { createCounters } from '../../auth/rate-limit-counters.ts'
import { WorkerFailedError } from '../exit-status.ts'
import type { ReadinessReport } from '../server/admin-server.ts'
import type { DrainOptions } from '../server/drain.ts'
import { Member } from './worker-channel.ts'

export interface CrewOptions {
  readonly size: number
  readonly adminUrl: string
  readonly log: Logger
  /** Hears of a reason to stop that shows only after the start. */
  readonly onFatal: (error: Error) => void
}

export interface Served {
  readonly publicUrl: string
  readonly port: number
}

const firstPauseMs = 250
const longestPauseMs = 10_000
// A worker that has lived for so long did not fail because of how it starts.
const settledMs = 60_000
// What closing takes beyond the times that were set: mails, and connections that do not answer.
const closingMs = 8_000

/** How long to wait before a worker is replaced that failed so many times in a row, not counting this one. */
export function pauseBefore(failures: number): number {
  return failures === 0 ? 0 : Math.min(longestPauseMs, firstPauseMs * 2 ** (failures - 1))
}

/** The workers of one gateway: started together, each replaced when it crashes, ended together. */
export class Crew {
  readonly #options: CrewOptions
  readonly #members = new Set<Member>()
  readonly #counters = createCounters()
  readonly #stop = new AbortController()
  #served: Served | undefined
  #started = false

  constructor(options: CrewOptions) {
    this.#options = options
  }

  get members(): ReadonlySet<Member> {
    return this.#members
  }

  /** Resolves when all of them serve. Rejects with a WorkerFailedError when one cannot; then all are gone. */
  async start(): Promise<Served> {
    // The primary accepts connections and deals them out in turn; a worker that dies takes none of the queue with it.
    cluster.schedulingPolicy = cluster.SCHED_RR
    const served = await new Promise<Served>((resolve, reject) => {
      let ready = 0
      for (let n = 0; n < this.#options.size; n++) {
        this.#fork(0, {
          ready: (where) => {
            ready++
            if (ready === this.#options.size) resolve(where)
          },
          failed: reject
        })
      }
    }).catch(async (error: unknown) => {
      await this.#killAll()
      throw error
    })
    this.#started = true
    return served
  }

  /** Has all of them finish what is in flight and ends them, in the time that they may take. May be called again. */
  async drain(options: DrainOptions): Promise<void> {
    this.#stop.abort()
    for (const member of this.#members) member.drain(options)
    const deadline = Date.now() + options.delayMs + options.timeoutMs + closingMs
    while (this.#members.size > 0 && Date.now() < deadline) await wait(10)
    await this.#killAll()
  }

  async #killAll(): Promise<void> {
    this.#stop.abort()
    for (const member of this.#members) member.kill()
    while (this.#members.size > 0) await wait(10)
  }

  #fork(failures: number, first?: { ready(served: Served): void; failed(error: Error): void }): void {
    const { size, adminUrl, log, onFatal } = this.#options
    let readyAt: number | undefined
    let replaced = false

    const replace = (status: number | string) => {
      if (replaced || this.#stop.signal.aborted) return
      replaced = true
      const settled = readyAt !== undefined && Date.now() - readyAt >= settledMs
      const row = settled ? 0 : failures
      const pauseMs = pauseBefore(row)
      log.error({ pid: member.pid, status, pauseMs }, 'a worker ended: another takes its place')
      wait(pauseMs, undefined, { signal: this.#stop.signal }).then(
        () => this.#fork(row + 1),
        () => {}
      )
    }

    const member: Member = new Member(cluster.fork(), this.#counters, {
      welcome: () => ({ size, adminUrl, ...(this.#started && this.#served ? { served: this.#served } : {}) }),
      ready: (where) => {
        readyAt = Date.now()
        this.#served ??= where
        if (first === undefined) log.info({ pid: member.pid }, 'a worker serves in place of another')
        else first.ready(where)
      },
      changed: (event) => {
        for (const other of this.#members) if (other !== member) other.tell(event)
      },
      failed: (failure) => {
        const error = new WorkerFailedError(failure)
        if (readyAt !== undefined) onFatal(error)
        else if (first !== undefined) first.failed(error)
        else log.error({ problems: failure.lines }, 'a worker cannot start')
      },
      leaving: () => replace('uncaught error'),
      gone: (status) => {
        this.#members.delete(member)
        if (readyAt === undefined)
          first?.failed(new WorkerFailedError({ lines: ['failed: a worker ended while it was starting'], exitCode: 1 }))
        if (this.#started) replace(status)
        else if (readyAt !== undefined)
          first?.failed(
            new WorkerFailedError({ lines: ['failed: a worker ended while others were starting'], exitCode: 1 })
          )
      }
    })
    this.#members.add(member)
  }
}

/**
 * Several workers' readiness as one. Ready while any worker is: connections only go to workers that serve. Degraded by
 * whatever degrades one of them, and by `workers` where fewer are ready than should be.
 */
export class CrewReadiness {
  readonly #size: number
  readonly #members: () => Iterable<Pick<Member, 'report'>>
  #started = false
  #draining = false

  constructor(size: number, members: () => Iterable<Pick<Member, 'report'>>) {
    this.#size = size
    this.#members = members
  }

  get draining(): boolean {
    return this.#draining
  }

  /** All of them serve for the first time. */
  started(): void {
    this.#started = true
  }

  startDraining(): void {
    this.#draining = true
  }

  /** Asks every worker. Never rejects; takes as long as the slowest, and two and a half seconds at most. */
  async report(): Promise<ReadinessReport> {
    const reports = await Promise.all([...this.#members()].map((member) => member.report()))
    const ready = reports.filter((report) => report?.ready === true).length
    const degraded = new Set(reports.flatMap((report) => report?.degraded ?? []))
    if (ready < this.#size && !this.#draining) degraded.add('workers')
    return { ready: this.#started && !this.#draining && ready > 0, degraded: [...degraded] }
  }
}
