import cluster from 'node:cluster'
import closeWithGrace from 'close-with-grace'
import { collectEverything } from '../proxy/body-memory.ts'
import { describeFailure, type Failure } from './failure.ts'
import type { Gateway } from './gateway.ts'
import { createLineWriter } from './log-lines.ts'
import { createLogger } from './logging.ts'
import { loadSettings } from './settings.ts'
import { workerCount } from './workers/count.ts'
import { work } from './workers/work.ts'

/**
 * Runs a gateway configured by `env` until a signal ends it: SIGTERM drains, SIGINT on a terminal does not wait. Sets
 * the exit status: 0 after a signal, 1 after a failure. Throws a ConfigError, or the coded error of what kept it from
 * starting. With WORKERS this process starts others like it, which come through here as well.
 */
export async function start(env: Record<string, string | undefined>): Promise<void> {
  const lines = createLineWriter((write) => process.once('exit', write))
  if (cluster.worker !== undefined) {
    // A terminal and some supervisors signal the whole group; what follows from that is the primary's to say.
    for (const signal of groupSignals) process.on(signal, () => {})
    await work(cluster.worker, () => loadSettings(env, process.cwd()), lines, process.exit)
    return
  }
  const settings = await loadSettings(env, process.cwd())
  const { drainDelayMs, drainTimeoutMs, logLevel, workers } = settings.config
  const log = createLogger(logLevel, lines)
  let gateway: Gateway | undefined
  const grace = closeWithGrace(
    { delay: drainDelayMs + drainTimeoutMs + 10_000, logger: false },
    async function closeGateway({ signal, err }) {
      if (err !== undefined) log.fatal({ err }, 'gatehouse failed')
      else log.info({ signal }, 'gatehouse is closing')
      const hurried = err !== undefined || (signal === 'SIGINT' && process.stdin.isTTY === true)
      await gateway?.close({ delayMs: hurried ? 0 : drainDelayMs, timeoutMs: drainTimeoutMs })
    }
  )
  try {
    // Each loads only what it needs: a primary has no use for BetterAuth.
    gateway =
      workerCount(workers) > 1
        ? await (await import('./workers/primary.ts')).startWorkers(settings, log, stopWith)
        : await (await import('./gateway.ts')).startGateway(settings, log, stopWith)
    collectEverything()
  } catch (error) {
    grace.uninstall()
    throw error
  }

  function stopWith(error: Error): void {
    const exit = () => exitWith(describeFailure(error))
    if (gateway === undefined) exit()
    else gateway.close({ delayMs: 0, timeoutMs: 0 }).then(exit, exit)
  }
}

const groupSignals = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const

function exitWith({ lines, exitCode }: Failure): never {
  for (const line of lines) process.stderr.write(`${line}\n`)
  process.exit(exitCode)
}
