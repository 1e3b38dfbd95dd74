import type { Worker } from 'node:cluster'
import closeWithGrace from 'close-with-grace'
import type { DestinationStream } from 'pino'
import { collectAfterStart } from '../../proxy/garbage-collection.ts'
import type { Settings } from '../config/load-settings.ts'
import { describeFailure } from '../failure-wording.ts'
import type { Gateway } from '../gateway.ts'
import { createLogger } from '../logging/logger.ts'
import { openWorkerChannel, type PrimaryMethods, type WorkerMethods } from './worker-channel.ts'

/** Signals that a terminal and some supervisors send to the whole process group. */
export const groupSignals = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const
const closingMs = 10_000
// The primary does little else than reply. A request whose attempt cannot be counted in this time fails.
const replyTimeoutMs = 5_000

/**
 * Runs one worker of a gateway until its primary has it drained, or is gone. What keeps it from starting, or from going
 * on, is told to the primary; then `exit` ends this process. Never rejects.
 */
export async function runWorker(
  worker: Worker,
  loadSettings: () => Promise<Settings>,
  logDestination: DestinationStream,
  exit: (status: number) => void
): Promise<void> {
  let gateway: Gateway | undefined
  let handleSessionEvent: (event: string) => void = () => {}
  const primary = openWorkerChannel<PrimaryMethods, WorkerMethods>(worker, replyTimeoutMs, {
    readiness: async () => gateway?.readiness.report() ?? { ready: false, degraded: [] },
    sessionEvent: (event) => handleSessionEvent(event),
    drain(options) {
      const end = () => exit(0)
      if (gateway === undefined) end()
      else gateway.close(options).then(end, end)
    }
  })

  try {
    const settings = await loadSettings()
    const { logLevel, drainTimeoutMs } = settings.config
    const log = createLogger(logLevel, logDestination).child({ worker: worker.id })
    closeWithGrace(
      { delay: drainTimeoutMs + closingMs, logger: false, skip: [...groupSignals, 'beforeExit'] },
      async function closeCrashed({ err }) {
        log.fatal({ err }, 'a worker failed')
        primary.crashed.asEvent()
        await gateway?.close({ delayMs: 0, timeoutMs: drainTimeoutMs })
      }
    )
    const { startGateway } = await import('../gateway.ts')
    gateway = await startGateway(settings, log, (error) => void primary.failed.asEvent(describeFailure(error)), {
      ...(await primary.join()),
      counters: primary,
      publishSessionEvent: (event) => void primary.sessionEvent.asEvent(event),
      onSessionEvent(listener) {
        handleSessionEvent = listener
      }
    })
    collectAfterStart()
    primary.ready.asEvent({ publicUrl: gateway.publicUrl, port: gateway.port })
  } catch (error) {
    const failure = describeFailure(error)
    await primary.failed.asEvent(failure)
    exit(failure.exitCode)
  }
}
