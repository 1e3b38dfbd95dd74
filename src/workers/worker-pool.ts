import cluster, { type Worker } from 'node:cluster'
import { setTimeout as wait } from 'node:timers/promises'
import type { BirpcReturn } from 'birpc'
import type { Logger } from 'pino'
import { createCounters } from '../../auth/rate-limit-counters.ts'
import { workerCount } from '../config/environment.ts'
import { loadOrCreateSecret } from '../config/generated-secret.ts'
import { type Settings, warningsOf } from '../config/load-settings.ts'
import { WorkerFailedError } from '../failure-wording.ts'
import type { Gateway } from '../gateway.ts'
import { logSilentServers } from '../open-upstreams.ts'
import { type ReadinessReport, startAdminServer } from '../server/admin-server.ts'
import type { DrainOptions } from '../server/drain.ts'
import { openWorkerChannel, type PrimaryMethods, type PublicAddress, type WorkerMethods } from './worker-channel.ts'

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

/**
 * Starts a gateway of several workers and resolves once all of them serve. This process has the private port and the
 * rate limits' counters; it opens no database and serves no request. A worker that crashes is replaced. Rejects with a
 * WorkerFailedError when a worker cannot start, or with the system's error for the private port; then nothing is left
 * running. `onFatal` is called with what ends the gateway later.
 */
export async function startWorkers(settings: Settings, log: Logger, onFatal: (error: Error) => void): Promise<Gateway> {
  const { config, policy } = settings
  for (const warning of warningsOf(settings)) log.warn(warning)
  const size = workerCount(config.workers)
  const channels = new Map<Worker, BirpcReturn<WorkerMethods, PrimaryMethods>>()
  const counters = createCounters()
  const stop = new AbortController()
  // Undefined until all workers serve.
  let serving: PublicAddress | undefined
  let draining: DrainOptions | undefined

  const readiness = {
    get draining() {
      return draining !== undefined
    },
    /**
     * The workers' readiness as one. Ready while any worker is: connections go only to workers that serve. Degraded by
     * whatever degrades one of them, and by `workers` where fewer are ready than should be. Never rejects; takes as long
     * as the slowest worker, 2.5 s at most.
     */
    async report(): Promise<ReadinessReport> {
      const reports = await Promise.all(
        [...channels.values()].map((channel) => channel.readiness().catch(() => undefined))
      )
      const ready = reports.filter((report) => report?.ready === true).length
      const degraded = new Set(reports.flatMap((report) => report?.degraded ?? []))
      if (ready < size && draining === undefined) degraded.add('workers')
      return { ready: serving !== undefined && draining === undefined && ready > 0, degraded: [...degraded] }
    }
  }

  // Made before there are workers, so that all of them read the same one.
  if (config.secret === undefined) await loadOrCreateSecret(config.dataDir)
  const admin = await startAdminServer(readiness, config)
  // The primary accepts connections and deals them out in turn: a worker that dies takes no queued connection with it.
  cluster.schedulingPolicy = cluster.SCHED_RR
  try {
    const [address] = await Promise.all([fork(0), ...Array.from({ length: size - 1 }, () => fork(0))])
    if (channels.size < size) throw endedWhile('others were starting')
    serving = address
    logSilentServers({ config, policy }, log)
    return { ...address, adminUrl: admin.url, readiness, close }
  } catch (error) {
    await killAll()
    await admin.close()
    throw error
  }

  /** Drains all workers and kills those that take longer than they may. May be called again. */
  async function close(options: DrainOptions): Promise<void> {
    draining = options
    stop.abort()
    for (const channel of channels.values()) channel.drain.asEvent(options)
    const deadline = Date.now() + options.delayMs + options.timeoutMs + closingMs
    while (channels.size > 0 && Date.now() < deadline) await wait(10)
    await killAll()
    await admin.close()
  }

  async function killAll(): Promise<void> {
    stop.abort()
    for (const worker of channels.keys()) worker.process.kill('SIGKILL')
    while (channels.size > 0) await wait(10)
  }

  /** Resolves once the worker serves. `failures`: how many workers before this one failed one after the other. */
  function fork(failures: number): Promise<PublicAddress> {
    const { promise, resolve, reject } = Promise.withResolvers<PublicAddress>()
    const worker = cluster.fork()
    const { pid } = worker.process
    let readyAt: number | undefined
    let replaced = false

    const replace = (status: number | string) => {
      if (replaced || serving === undefined || stop.signal.aborted) return
      replaced = true
      const settled = readyAt !== undefined && Date.now() - readyAt >= settledMs
      const inRow = settled ? 0 : failures
      const pauseMs = pauseBefore(inRow)
      log.error({ pid, status, pauseMs }, 'a worker ended: another takes its place')
      // A replacement that fails is replaced in turn.
      wait(pauseMs, undefined, { signal: stop.signal })
        .then(() => fork(inRow + 1))
        .catch(() => {})
    }

    const channel = openWorkerChannel<WorkerMethods, PrimaryMethods>(worker, replyTimeoutMs, {
      join: () => {
        // Until now the worker did not listen, so that a call to drain was lost.
        if (draining !== undefined) channel.drain.asEvent(draining)
        return { workers: size, adminUrl: admin.url, serving }
      },
      ...counters,
      ready: (address) => {
        readyAt = Date.now()
        if (serving !== undefined) log.info({ pid }, 'a worker serves in place of another')
        resolve(address)
      },
      sessionEvent: (event) => {
        for (const other of channels.values()) if (other !== channel) other.sessionEvent.asEvent(event)
      },
      failed: (failure) => {
        const error = new WorkerFailedError(failure)
        if (readyAt !== undefined) onFatal(error)
        else if (serving !== undefined) log.error({ problems: failure.lines }, 'a worker cannot start')
        reject(error)
      },
      crashed: () => replace('uncaught error')
    })
    channels.set(worker, channel)
    // Sending to a worker that has just died fails; its exit is handled below.
    worker.on('error', () => {})
    worker.once('exit', (code: number | null, signal: string | null) => {
      channels.delete(worker)
      reject(endedWhile('it was starting'))
      replace(signal ?? code ?? 1)
    })
    return promise
  }
}

function endedWhile(phase: string): WorkerFailedError {
  return new WorkerFailedError({ lines: [`failed: a worker ended while ${phase}`], exitCode: 1 })
}
