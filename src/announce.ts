import type { Logger } from 'pino'
import { upstreamAddress } from '../proxy/upstream.ts'
import { probeUpstream } from '../proxy/upstream-probe.ts'
import type { Config } from './config.ts'

/** Where a gateway that has just started is reached. */
export interface Whereabouts {
  readonly publicUrl: string
  readonly adminUrl: string
  /** That of the public listener. */
  readonly port?: number | undefined
  readonly workers?: number | undefined
}

/** Logs what works but is rarely meant. */
export function announceWarnings({ warnings }: Config, log: Logger): void {
  for (const warning of warnings) log.warn(warning)
}

/** Logs that a gateway is ready, in one line that scripts read, and whether FastAPI is there. */
export function announceReady({ upstream }: Config, log: Logger, { port, workers, ...urls }: Whereabouts): void {
  probeUpstream(upstreamAddress(upstream)).catch((err: unknown) => {
    log.warn({ err }, 'nothing answers where UPSTREAM_URL says: requests get 502 until it does')
  })
  log.info(
    { ...urls, ...(port === undefined ? {} : { port }), ...(workers === undefined ? {} : { workers }) },
    'gatehouse ready'
  )
}
