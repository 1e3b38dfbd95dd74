import type { Logger } from 'pino'
import type { Settings } from './config/settings.ts'
import type { PolicyConfig } from './policy-file.ts'
import { probeServers } from './upstreams.ts'

/** Where a gateway that has just started is reached. */
export interface Whereabouts {
  readonly publicUrl: string
  readonly adminUrl: string
  /** That of the public listener. */
  readonly port?: number | undefined
  readonly workers?: number | undefined
}

/** What works but is rarely meant, in sentences: of the environment and of the policy file. */
export function warningsOf({ config, policy }: Pick<Settings, 'config' | 'policy'>): string[] {
  return [...config.warnings, ...policyWarnings(policy)]
}

/** Logs what works but is rarely meant. */
export function announceWarnings(settings: Pick<Settings, 'config' | 'policy'>, log: Logger): void {
  for (const warning of warningsOf(settings)) log.warn(warning)
}

function policyWarnings({ headers }: PolicyConfig): string[] {
  return headers.pass.map(
    (name) =>
      `headers.pass lets clients send ${name}: whoever behind the gateway believes it can be led to another path, method, client or user than was judged`
  )
}

/** Logs that a gateway is ready, in one line that scripts read, and whether FastAPI and what else is behind it are there. */
export function announceReady(
  settings: Pick<Settings, 'config' | 'policy'>,
  log: Logger,
  { port, workers, ...urls }: Whereabouts
): void {
  for (const [place, probe] of probeServers(settings)) {
    probe.catch((err: unknown) => {
      log.warn({ err }, `nothing answers where ${place} says: requests get 502 until it does`)
    })
  }
  log.info(
    { ...urls, ...(port === undefined ? {} : { port }), ...(workers === undefined ? {} : { workers }) },
    'gatehouse ready'
  )
}
