import type { Logger } from 'pino'
import { createAdmin } from '../admin.ts'
import { announceReady, announceWarnings } from '../announce.ts'
import type { Gateway } from '../gateway.ts'
import { listen, urlOf } from '../listeners.ts'
import { loadOrCreateSecret } from '../secret.ts'
import type { Settings } from '../settings.ts'
import { workerCount } from './count.ts'
import { Crew } from './crew.ts'
import { CrewReadiness } from './crew-readiness.ts'

/**
 * Starts a gateway of several workers and resolves once all of them serve. This process has the private port, the
 * counters and nothing else: no database, no request. Rejects as `startGateway` does; then nothing is left running.
 */
export async function startWorkers(
  { config, policy }: Settings,
  log: Logger,
  onFatal: (error: Error) => void
): Promise<Gateway> {
  announceWarnings({ config, policy }, log)
  // Made here, so that every worker finds it.
  if (config.secret === undefined) await loadOrCreateSecret(config.dataDir)
  const size = workerCount(config.workers)
  const readiness = new CrewReadiness(size, () => crew.members)
  const admin = createAdmin(readiness)
  await admin.ready()
  const adminUrl = urlOf(config.adminHost, await listen(admin.server, config.adminHost, config.adminPort))
  const crew = new Crew({ size, adminUrl, log, onFatal })
  try {
    const { publicUrl, port } = await crew.start()
    readiness.started()
    announceReady({ config, policy }, log, { publicUrl, adminUrl, port, workers: size })
    return {
      publicUrl,
      adminUrl,
      port,
      async close(options) {
        readiness.startDraining()
        await crew.drain(options)
        await admin.close()
      }
    }
  } catch (error) {
    await admin.close()
    throw error
  }
}
