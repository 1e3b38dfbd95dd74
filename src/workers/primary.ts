import type { Logger } from 'pino'
import { announceReady, announceWarnings } from '../announce.ts'
import { workerCount } from '../config/config.ts'
import { loadOrCreateSecret } from '../config/generated-secret.ts'
import type { Settings } from '../config/settings.ts'
import type { Gateway } from '../gateway.ts'
import { createAdmin } from '../server/admin-server.ts'
import { listen, urlOf } from '../server/listeners.ts'
import { Crew, CrewReadiness } from './worker-pool.ts'

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
