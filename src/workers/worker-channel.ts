import type { Worker } from 'node:cluster'
import { type BirpcReturn, createBirpc } from 'birpc'
import type { Counters } from '../../auth/rate-limit-counters.ts'
import { isRecord } from '../../db/type-guards.ts'
import type { Failure } from '../failure-wording.ts'
import type { ReadinessReport } from '../server/admin-server.ts'
import type { DrainOptions } from '../server/drain.ts'

/** Where a gateway's public listener is reached. */
export interface PublicAddress {
  readonly publicUrl: string
  readonly port: number
}

/** What the primary tells a worker that joins. */
export interface WorkerSettings {
  /** How many workers the gateway has. */
  readonly workers: number
  readonly adminUrl: string
  /** Where the other workers serve already, so that this one serves there too; undefined while the gateway starts. */
  readonly serving?: PublicAddress | undefined
}

/** What a gateway process shares with the other workers of the same gateway. */
export interface WorkerContext extends WorkerSettings {
  /** Rate limits' counters, in the primary's memory. */
  readonly counters: Counters
  /** Tells the other workers of a session or a user that changed, in the format of session events. */
  publishSessionEvent(event: string): void
  /** Sets what is called with the events that other workers publish. */
  onSessionEvent(listener: (event: string) => void): void
}

/** What a worker calls in its primary. */
export interface PrimaryMethods extends Counters {
  /** The first call of every worker, made when it can be called itself. */
  join(): WorkerSettings
  /** The worker's public listener is up. */
  ready(address: PublicAddress): void
  sessionEvent(event: string): void
  /** The worker cannot start or go on, for a reason that a replacement would meet as well. */
  failed(failure: Failure): void
  /** An uncaught error: the worker finishes the requests in flight and exits. */
  crashed(): void
}

/** What a primary calls in its workers. */
export interface WorkerMethods {
  readiness(): Promise<ReadinessReport>
  sessionEvent(event: string): void
  /** Has the worker drain and exit, even while it is starting. */
  drain(options: DrainOptions): void
}

/**
 * One end of the IPC channel between a primary and a worker: it calls the `Remote` methods of the other end and serves the
 * `local` ones. A call rejects when no reply comes within `timeout` milliseconds. A call whose result is not needed is
 * made `asEvent`, which resolves when it was sent, or could not be. Both ends run the same code, so parameters are not
 * checked.
 */
export function openWorkerChannel<Remote extends object, Local extends object>(
  worker: Worker,
  timeout: number,
  local: Local
): BirpcReturn<Remote, Local> {
  return createBirpc<Remote, Local>(local, {
    timeout,
    post: (message) =>
      new Promise<void>((resolve) => {
        if (worker.isConnected()) worker.send(message, () => resolve())
        else resolve()
      }),
    on(receive) {
      // An operator's policy file may send messages of its own.
      worker.on('message', (message: unknown) => isRecord(message) && receive(message))
    },
    // A method that fails sends no reply, so that its caller runs into the timeout.
    onFunctionError: () => true
  })
}
