import type { DatabaseOptions } from '../db/database.ts'
import type { Settings } from './config/settings.ts'

/** How to open the database of these settings, with what the plugins of the policy file add to it. */
export async function databaseOptions({
  config,
  policy
}: Pick<Settings, 'config' | 'policy'>): Promise<DatabaseOptions> {
  const { plugins = [] } = policy.auth
  // What knows BetterAuth's tables takes half a second to load, and most commands and gateways do without.
  const known = plugins.length === 0 ? undefined : await import('../auth/plugin-tables.ts')
  return { ...config.database, dataDir: config.dataDir, pluginTables: known?.pluginTables(policy.auth) }
}

// Together, workers hold about as many connections as most databases can spare.
const connectionsOfAllWorkers = 40
const fewestConnections = 3
const mostConnections = 10

/** How many database connections each of so many workers may hold. */
export function poolSizeFor(workers: number): number {
  return Math.max(fewestConnections, Math.min(mostConnections, Math.floor(connectionsOfAllWorkers / workers)))
}
