import type { Load } from '../load/load.ts'
import type { Stage } from '../stage.ts'

/** What a contender is once it runs. It ends with the stage's cleanup. */
export interface Running {
  readonly load: Load
  /** The processes under test, without their descendants. None: nothing is under test but the upstream itself. */
  readonly pids: readonly number[]
}

/** Something that stands before the upstream, or nothing. */
export interface Contender {
  readonly name: string
  /** A program of the system's that it needs. */
  readonly needs?: string
  /** Rejects with what kept it from starting. */
  start(stage: Stage): Promise<Running>
}

/** The same load, once it was answered as it should be. Throws when another status came. */
export async function answering(load: Load): Promise<Load> {
  const { status } = await fetch(load.url, { headers: load.headers })
  if (status !== load.status) throw new Error(`answered ${status}`)
  return load
}

/** A page that everything under test answers. */
export const page = '/hello'
