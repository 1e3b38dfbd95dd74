import type { Counters } from '../auth/rate-limit-counters.ts'
import type { ReadinessReport } from './server/admin-server.ts'

/** What a gateway process that is one of several has in common with the others. */
export interface Team {
  /** How many they are meant to be. */
  readonly size: number
  readonly adminUrl: string
  /** Where the others already serve, so that this one serves the same; undefined when the gateway is just starting. */
  readonly served: { readonly publicUrl: string; readonly port: number } | undefined
  /** Counted for all of them together. */
  readonly counters: Counters
  /** Tells the others of a session or a user that changed, in the words of session events. */
  tell(event: string): void
  /** Hears what the others tell. */
  onTold(listener: (event: string) => void): void
  /** Says how this process is when it is asked. */
  reportWith(report: () => Promise<ReadinessReport>): void
}

// Together they hold about as many connections as most databases can spare.
const connectionsInAll = 40
const connectionsEach = { most: 10, fewest: 3 }

/** Database connections of each of so many processes. */
export function poolSizeFor(processes: number): number {
  return Math.max(connectionsEach.fewest, Math.min(connectionsEach.most, Math.floor(connectionsInAll / processes)))
}
