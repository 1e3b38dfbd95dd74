import cluster, { type Worker } from 'node:cluster'
import { setTimeout as wait } from 'node:timers/promises'
import type { BirpcReturn } from 'birpc'
import type { Logger } from 'pino'
import { createCounters } from '../../auth/rate-limit-counters.ts'
import { workerCount } from '../config/config.ts'
import { loadOrCreateSecret } from '../config/generated-secret.ts'
import type { Settings } from '../config/settings.ts'
import { WorkerFailedError } from '../exit-status.ts'
import type { Gateway } from '../gateway.ts'
import { type ReadinessReport, startAdminServer } from '../server/admin-server.ts'
import type { DrainOptions } from '../server/drain.ts'
import { openWorkerChannel, type PrimaryMethods, type PublicAddress, type WorkerMethods } from './worker-channel.ts'

/**
 * Starts a gateway of several workers and resolves once all of them serve. This process has the private port and the
 * rate limits' counters; it opens no database and serves no request. Rejects with a WorkerFailedError when a worker
 * cannot start, or with the system's error for the private port; then nothing is left running. `onFatal` is called with
 * what ends the gateway later.
 */
export async function startWorkers(
  { config }: Settings,
  log: Logger,
  onFatal: (error: Error) => void
): Promise<Gateway> {
  // Made before there are workers, so that all of them read the same one.
  if (config.secret === undefined) await loadOrCreateSecret(config.dataDir)
  const pool = new WorkerPool(workerCount(config.workers), log, onFatal)
  const admin = await startAdminServer(pool, config)
  try {
    const address = await pool.start(admin.url)
    return {
      ...address,
      adminUrl: admin.url,
      readiness: pool,
      async close(options) {
        await pool.drain(options)
        await admin.close()
      }
    }
  } catch (error) {
    await admin.close()
    throw error
  }
}

const firstPauseMs = 250
const longestPauseMs = 10_000
// A worker that has served for so long did not fail because of how it starts.
const settledMs = 60_000
// What closing takes beyond the drain's own times: mails, and connections that do not answer.
const closingMs = 8_000
// A worker takes two seconds at most to find out whether its database answers.
const replyTimeoutMs = 2_500

/** Milliseconds before a worker is replaced that follows this many workers which failed one after the other. */
export function pauseBefore(failures: number): number {
  return failures === 0 ? 0 : Math.min(longestPauseMs, firstPauseMs * 2 ** (failures - 1))
}

/** The workers of one gateway: started together, each replaced when it crashes, drained together. */
class WorkerPool {
  readonly #size: number
  readonly #log: Logger
  readonly #onFatal: (error: Error) => void
  readonly #channels = new Map<Worker, BirpcReturn<WorkerMethods, PrimaryMethods>>()
  readonly #counters = createCounters()
  readonly #stop = new AbortController()
  #adminUrl = ''
  /** Undefined until all workers serve. */
  #serving: PublicAddress | undefined
  #draining: DrainOptions | undefined

  constructor(size: number, log: Logger, onFatal: (error: Error) => void) {
    this.#size = size
    this.#log = log
    this.#onFatal = onFatal
  }

  get draining(): boolean {
    return this.#draining !== undefined
  }

  /** Resolves when all workers serve. Rejects with a WorkerFailedError when one cannot; then all of them are gone. */
  async start(adminUrl: string): Promise<PublicAddress> {
    this.#adminUrl = adminUrl
    // The primary accepts connections and deals them out in turn: a worker that dies takes no queued connection with it.
    cluster.schedulingPolicy = cluster.SCHED_RR
    const others = Array.from({ length: this.#size - 1 }, () => this.#fork(0))
    try {
      const [address] = await Promise.all([this.#fork(0), ...others])
      if (this.#channels.size < this.#size) throw endedWhile('others were starting')
      this.#serving = address
      return address
    } catch (error) {
      await this.#killAll()
      throw error
    }
  }

  /** Drains all workers and kills those that take longer than they may. May be called again. */
  async drain(options: DrainOptions): Promise<void> {
    this.#draining = options
    this.#stop.abort()
    for (const channel of this.#channels.values()) channel.drain.asEvent(options)
    const deadline = Date.now() + options.delayMs + options.timeoutMs + closingMs
    while (this.#channels.size > 0 && Date.now() < deadline) await wait(10)
    await this.#killAll()
  }

  /**
   * The workers' readiness as one. Ready while any worker is: connections go only to workers that serve. Degraded by
   * whatever degrades one of them, and by `workers` where fewer are ready than should be. Never rejects; takes as long
   * as the slowest worker, 2.5 s at most.
   */
  async report(): Promise<ReadinessReport> {
    const reports = await Promise.all(
      [...this.#channels.values()].map((channel) => channel.readiness().catch(() => undefined))
    )
    const ready = reports.filter((report) => report?.ready === true).length
    const degraded = new Set(reports.flatMap((report) => report?.degraded ?? []))
    if (ready < this.#size && !this.draining) degraded.add('workers')
    return { ready: this.#serving !== undefined && !this.draining && ready > 0, degraded: [...degraded] }
  }

  async #killAll(): Promise<void> {
    this.#stop.abort()
    for (const worker of this.#channels.keys()) worker.process.kill('SIGKILL')
    while (this.#channels.size > 0) await wait(10)
  }

  /** Resolves once the worker serves. `failures`: how many workers before this one failed one after the other. */
  #fork(failures: number): Promise<PublicAddress> {
    const { promise, resolve, reject } = Promise.withResolvers<PublicAddress>()
    const worker = cluster.fork()
    const { pid } = worker.process
    let readyAt: number | undefined
    let replaced = false

    const replace = (status: number | string) => {
      if (replaced || this.#serving === undefined || this.#stop.signal.aborted) return
      replaced = true
      const settled = readyAt !== undefined && Date.now() - readyAt >= settledMs
      const inRow = settled ? 0 : failures
      const pauseMs = pauseBefore(inRow)
      this.#log.error({ pid, status, pauseMs }, 'a worker ended: another takes its place')
      // A replacement that fails is replaced in turn.
      wait(pauseMs, undefined, { signal: this.#stop.signal })
        .then(() => this.#fork(inRow + 1))
        .catch(() => {})
    }

    const channel = openWorkerChannel<WorkerMethods, PrimaryMethods>(worker, replyTimeoutMs, {
      join: () => {
        // Until now the worker did not listen, so that a call to drain was lost.
        if (this.#draining !== undefined) channel.drain.asEvent(this.#draining)
        return { workers: this.#size, adminUrl: this.#adminUrl, serving: this.#serving }
      },
      take: (allowance, key) => this.#counters.take(allowance, key),
      giveBack: (allowance, key) => this.#counters.giveBack(allowance, key),
      ready: (address) => {
        readyAt = Date.now()
        if (this.#serving !== undefined) this.#log.info({ pid }, 'a worker serves in place of another')
        resolve(address)
      },
      sessionEvent: (event) => {
        for (const other of this.#channels.values()) if (other !== channel) other.sessionEvent.asEvent(event)
      },
      failed: (failure) => {
        const error = new WorkerFailedError(failure)
        if (readyAt !== undefined) this.#onFatal(error)
        else if (this.#serving !== undefined) this.#log.error({ problems: failure.lines }, 'a worker cannot start')
        reject(error)
      },
      crashed: () => replace('uncaught error')
    })
    this.#channels.set(worker, channel)
    // Sending to a worker that has just died fails; its exit is handled below.
    worker.on('error', () => {})
    worker.once('exit', (code: number | null, signal: string | null) => {
      this.#channels.delete(worker)
      reject(endedWhile('it was starting'))
      replace(signal ?? code ?? 1)
    })
    return promise
  }
}

function endedWhile(phase: string): WorkerFailedError {
  return new WorkerFailedError({ lines: [`failed: a worker ended while ${phase}`], exitCode: 1 })
}
