import './loading.ts'
import { realpathSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import closeWithGrace from 'close-with-grace'
import { describeFailure } from './failure.ts'
import type { Gateway } from './gateway.ts'
import { createLogger } from './logging.ts'
import { loadSettings } from './settings.ts'

/**
 * Runs a gateway configured by `env` until a signal ends it: SIGTERM drains, SIGINT on a terminal does not wait. Sets
 * the exit status: 0 after a signal, 1 after a failure. Throws a ConfigError, or the coded error of what kept it from
 * starting.
 */
export async function start(env: Record<string, string | undefined>): Promise<void> {
  const settings = await loadSettings(env, process.cwd())
  const { drainDelayMs, drainTimeoutMs, logLevel } = settings.config
  const log = createLogger(logLevel)
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
    const { startGateway } = await import('./gateway.ts')
    gateway = await startGateway(settings, log, stopWith)
  } catch (error) {
    grace.uninstall()
    throw error
  }

  function stopWith(error: Error): void {
    const { lines, exitCode } = describeFailure(error)
    for (const line of lines) process.stderr.write(`${line}\n`)
    const exit = () => process.exit(exitCode)
    if (gateway === undefined) exit()
    else gateway.close({ delayMs: 0, timeoutMs: 0 }).then(exit, exit)
  }
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    await start(process.env)
  } catch (error) {
    const { lines, exitCode } = describeFailure(error)
    for (const line of lines) process.stderr.write(`${line}\n`)
    process.exit(exitCode)
  }
}
