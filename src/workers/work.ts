import type { Worker } from 'node:cluster'
import closeWithGrace from 'close-with-grace'
import type { DestinationStream } from 'pino'
import { collectEverything } from '../../proxy/body-memory.ts'
import { describeFailure } from '../failure.ts'
import type { Gateway } from '../gateway.ts'
import { createLogger } from '../logging.ts'
import type { Settings } from '../settings.ts'
import { createMembership } from './membership.ts'

// Those of a whole process group are the primary's.
const signals = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const
const closingMs = 10_000

/**
 * Runs one of a gateway's workers until its primary has it drained, or is gone. What keeps it from starting, or from
 * going on, is told to the primary and then ends this process with `exit`. Never rejects.
 */
export async function work(
  worker: Worker,
  loadSettings: () => Promise<Settings>,
  lines: DestinationStream,
  exit: (status: number) => void
): Promise<void> {
  const membership = createMembership(worker)
  const fail = async (error: unknown) => {
    const failure = describeFailure(error)
    await membership.failed(failure)
    return failure.exitCode
  }
  try {
    const settings = await loadSettings()
    const { logLevel, drainTimeoutMs } = settings.config
    const log = createLogger(logLevel, lines).child({ worker: worker.id })
    let gateway: Gateway | undefined

    closeWithGrace(
      { delay: drainTimeoutMs + closingMs, logger: false, skip: [...signals, 'beforeExit'] },
      async function closeCrashed({ err }) {
        log.fatal({ err }, 'a worker failed')
        membership.leaving()
        await gateway?.close({ delayMs: 0, timeoutMs: drainTimeoutMs })
      }
    )
    membership.onDrain((options) => {
      const done = () => exit(0)
      if (gateway === undefined) done()
      else gateway.close(options).then(done, done)
    })

    const team = await membership.join()
    const { startGateway } = await import('../gateway.ts')
    gateway = await startGateway(settings, log, (error) => void fail(error), team)
    collectEverything()
    membership.ready(gateway.publicUrl, gateway.port)
  } catch (error) {
    exit(await fail(error))
  }
}
