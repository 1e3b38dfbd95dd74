import './module-hooks.js'
import cluster from 'node:cluster'
import { realpathSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import closeWithGrace from 'close-with-grace'
import { collectAfterStart } from '../proxy/garbage-collection.ts'
import { workerCount } from './config/environment.ts'
import { loadSettings } from './config/load-settings.ts'
import { describeFailure, type Failure } from './failure-wording.ts'
import type { Gateway } from './gateway.ts'
import { createLogDestination, createLogger } from './logging/logger.ts'
import { groupSignals, runWorker } from './workers/worker-process.ts'

/**
 * Runs a gateway configured by `env` until a signal ends it: SIGTERM drains, SIGINT on a terminal does not wait. Sets
 * the exit status: 0 after a signal, 1 after a failure. Throws a ConfigError, or the coded error of what kept it from
 * starting. With WORKERS this process starts others like it, which come through here as well.
 */
export async function start(env: Record<string, string | undefined>): Promise<void> {
  const logDestination = createLogDestination((write) => process.once('exit', write))
  if (cluster.worker !== undefined) {
    for (const signal of groupSignals) process.on(signal, () => {})
    await runWorker(cluster.worker, () => loadSettings(env, process.cwd()), logDestination, process.exit)
    return
  }
  const settings = await loadSettings(env, process.cwd())
  const { drainDelayMs, drainTimeoutMs, logLevel } = settings.config
  const workers = workerCount(settings.config.workers)
  const log = createLogger(logLevel, logDestination)
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
      workers > 1
        ? await (await import('./workers/worker-pool.ts')).startWorkers(settings, log, stopWith)
        : await (await import('./gateway.ts')).startGateway(settings, log, stopWith)
    const { publicUrl, adminUrl, port } = gateway
    // Scripts read this line.
    log.info({ publicUrl, adminUrl, port, ...(workers > 1 && { workers }) }, 'gatehouse ready')
    collectAfterStart()
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

function exitWith({ lines, exitCode }: Failure): never {
  for (const line of lines) process.stderr.write(`${line}\n`)
  process.exit(exitCode)
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    await start(process.env)
  } catch (error) {
    exitWith(describeFailure(error))
  }
}
