import type { ReadinessReport } from '../readiness.ts'
import type { Member } from './member.ts'

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
