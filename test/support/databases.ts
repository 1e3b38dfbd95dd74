import type { Test } from 'tap'
import type { DatabaseDriver, DatabaseOptions } from '../../db/database.ts'
import { makeEmbedded, migrateOnce } from './embedded-database.ts'
import { startNeonBridge } from './neon-bridge.ts'
import { startPostgres, type Teardown, type TestPostgres } from './postgres.ts'

/** A fresh database, migrated unless the test wants it empty. */
export interface TestDatabase {
  readonly name: DatabaseDriver
  /** For `openDatabase`. */
  readonly options: DatabaseOptions
  /** What a test says of the public origin that runs once for each database: on https before node-postgres. */
  readonly publicUrl: string
  /** For a gateway that runs as a process of its own. */
  readonly env: Readonly<Record<string, string>>
  /** The server behind it; undefined for the embedded one. */
  readonly postgres: TestPostgres | undefined
}

const http = 'http://localhost:8080'
const drivers: readonly DatabaseDriver[] = ['pglite', 'pg', 'neon']

/** Runs the same promises on each kind of database: embedded, node-postgres, Neon's driver over a bridge. */
export async function eachDatabase(
  t: Test,
  promises: (t: Test, database: TestDatabase) => Promise<void>,
  only: readonly DatabaseDriver[] = drivers,
  migrated = true
): Promise<void> {
  const postgres = only.some((driver) => driver !== 'pglite') ? await startPostgres(t) : undefined
  const bridge = postgres !== undefined && only.includes('neon') ? await startNeonBridge(t, postgres.port) : undefined
  for (const name of only) {
    await t.test(name, async (t) => {
      await promises(t, await makeDatabase(t, name, postgres, bridge, migrated))
    })
  }
}

/** Runs the same promises on each kind of database before anything is in it. */
export async function eachEmptyDatabase(
  t: Test,
  promises: (t: Test, database: TestDatabase) => Promise<void>,
  only: readonly DatabaseDriver[] = drivers
): Promise<void> {
  await eachDatabase(t, promises, only, false)
}

async function makeDatabase(
  t: Teardown,
  name: DatabaseDriver,
  postgres: TestPostgres | undefined,
  bridge: string | undefined,
  migrated: boolean
): Promise<TestDatabase> {
  if (name === 'pglite' || postgres === undefined) {
    const dataDir = await makeEmbedded(t, migrated)
    const env = { DATABASE_DRIVER: 'pglite', DATA_DIR: dataDir }
    return { name: 'pglite', options: { driver: 'pglite', dataDir }, publicUrl: http, env, postgres: undefined }
  }
  const url = await postgres.createDatabase()
  if (migrated) await migrateOnce({ driver: 'pg', url })
  if (name === 'pg') {
    const env = { DATABASE_DRIVER: name, DATABASE_URL: url }
    return { name, options: { driver: name, url }, publicUrl: 'https://localhost:8443', env, postgres }
  }
  const env = { DATABASE_DRIVER: name, DATABASE_URL: url, NEON_WS_PROXY: bridge ?? '' }
  return { name, options: { driver: name, url, neonWsProxy: bridge }, publicUrl: http, env, postgres }
}
