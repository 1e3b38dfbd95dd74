import { fileURLToPath } from 'node:url'
import { startPostgres } from '../test/support/postgres.ts'
import { startUvicorn } from '../test/support/uvicorn.ts'
import type { Cleanup } from './cleanup.ts'
import { type BenchGateway, startGateway } from './gateway.ts'
import { startOwnProgram } from './processes.ts'
import { createSessionDatabase, secret } from './sessions-made.ts'

/** How many sessions the database has, unless a section makes one of its own: more than the session cache holds. */
export const usualSessions = 40_000

const programs = fileURLToPath(new URL('programs', import.meta.url))
const quiet = ['--no-access-log']

/** What contenders stand before and beside. Each part is started when it is first asked for, and once. */
export class Stage {
  readonly cleanup: Cleanup

  constructor(cleanup: Cleanup) {
    this.cleanup = cleanup
  }

  /** A PostgreSQL of our own. */
  readonly postgres = once(() => startPostgres(this.cleanup))

  /** The address of a database with `usualSessions`. */
  readonly databaseUrl = once(async () => createSessionDatabase(await this.postgres(), usualSessions))

  /** The tiny upstream, a process of its own. */
  readonly upstream = once(() => startOwnProgram(this.cleanup, 'upstream'))

  /** One uvicorn worker with a tiny FastAPI application. Rejects where Python is missing. */
  readonly uvicorn = once(() => startUvicorn(this.cleanup, { dir: programs, app: 'upstream:app', args: quiet }))

  /** BetterAuth as a server that other proxies ask. */
  readonly authServer = once(async () =>
    startOwnProgram(this.cleanup, 'auth-server', { databaseUrl: await this.databaseUrl(), secret })
  )

  /** The gateway with its defaults on node-postgres, before the tiny upstream. */
  readonly gateway = once(async () => this.#gatewayBefore(await this.upstream()))

  /** The same before uvicorn. */
  readonly gatewayBeforeUvicorn = once(async () => this.#gatewayBefore(await this.uvicorn()))

  async #gatewayBefore({ url }: { readonly url: string }): Promise<BenchGateway> {
    return startGateway(this.cleanup, { DATABASE_URL: await this.databaseUrl(), UPSTREAM_URL: url })
  }
}

function once<T>(start: () => Promise<T>): () => Promise<T> {
  let started: Promise<T> | undefined
  return () => {
    started ??= start()
    return started
  }
}
