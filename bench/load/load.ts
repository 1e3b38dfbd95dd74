import type { Cleanup } from '../cleanup.ts'
import { findProgram } from '../os.ts'
import { createAutocannon } from './autocannon.ts'
import { createWrk } from './wrk.ts'

/** What is asked, over and over, on connections that stay open. */
export interface Load {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** The status that every answer must have. */
  readonly status: number
  /** Every `every`th request carries the next of these cookies instead of the one in `headers`. */
  readonly others?: { readonly cookies: readonly string[]; readonly every: number } | undefined
}

/** What a slice of load saw. */
export interface Answers {
  readonly requests: number
  readonly seconds: number
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
  readonly p999: number
}

/** Asks for some seconds, from a process of its own. Throws when an answer has another status or does not come. */
export interface LoadGenerator {
  readonly name: string
  run(load: Load, connections: number, seconds: number): Promise<Answers>
}

/** wrk where it is installed, otherwise autocannon. */
export async function createLoadGenerator(cleanup: Cleanup): Promise<LoadGenerator> {
  const wrk = findProgram('wrk')
  return wrk === undefined ? createAutocannon() : createWrk(cleanup, wrk)
}
