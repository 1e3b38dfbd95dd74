import { createHash, randomBytes } from 'node:crypto'
import { cp, readFile, rename, rm, stat } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { type DatabaseDriver, type DatabaseOptions, openDatabase } from '../../db/database.ts'
import { migrate } from '../../db/migrate.ts'
import { startNeonBridge } from './neon-bridge.ts'
import { startPostgres, type Teardown, type TestPostgres } from './postgres.ts'

/** A fresh, migrated database. */
export interface TestDatabase {
  readonly name: DatabaseDriver
  /** For `openDatabase`. */
  readonly options: DatabaseOptions
  /** For a gateway that runs as a process of its own. */
  readonly env: Readonly<Record<string, string>>
  /** The server behind it; undefined for the embedded one. */
  readonly postgres: TestPostgres | undefined
}

const drivers: readonly DatabaseDriver[] = ['pglite', 'pg', 'neon']

/** Runs the same promises on each kind of database: embedded, node-postgres, Neon's driver over a bridge. */
export async function eachDatabase(
  t: Test,
  promises: (t: Test, database: TestDatabase) => Promise<void>,
  only: readonly DatabaseDriver[] = drivers
): Promise<void> {
  const postgres = only.some((driver) => driver !== 'pglite') ? await startPostgres(t) : undefined
  const bridge = postgres !== undefined && only.includes('neon') ? await startNeonBridge(t, postgres.port) : undefined
  for (const name of only) {
    await t.test(name, async (t) => {
      await promises(t, await makeDatabase(t, name, postgres, bridge))
    })
  }
}

async function makeDatabase(
  t: Teardown,
  name: DatabaseDriver,
  postgres: TestPostgres | undefined,
  bridge: string | undefined
): Promise<TestDatabase> {
  if (name === 'pglite' || postgres === undefined) {
    const dataDir = await makeEmbedded(t)
    const env = { DATABASE_DRIVER: 'pglite', DATA_DIR: dataDir }
    return { name: 'pglite', options: { driver: 'pglite', dataDir }, env, postgres: undefined }
  }
  const url = await postgres.createDatabase()
  await migrateOnce({ driver: 'pg', url })
  if (name === 'pg') {
    return { name, options: { driver: name, url }, env: { DATABASE_DRIVER: name, DATABASE_URL: url }, postgres }
  }
  const env = { DATABASE_DRIVER: name, DATABASE_URL: url, NEON_WS_PROXY: bridge ?? '' }
  return { name, options: { driver: name, url, neonWsProxy: bridge }, env, postgres }
}

/** A directory with a migrated embedded database in it, gone with the test. Copied: making one takes seconds. */
export async function makeEmbedded(t: Teardown): Promise<string> {
  const journal = await readFile(new URL('../../db/migrations/meta/_journal.json', import.meta.url))
  const version = await readFile(new URL('../../node_modules/@electric-sql/pglite/package.json', import.meta.url))
  const key = createHash('sha256').update(journal).update(version).digest('hex').slice(0, 12)
  const template = join(tmpdir(), `gatehouse-pglite-${key}-${userInfo().uid}`)
  if (!(await stat(template).catch(() => null))) {
    const mine = `${template}-${randomBytes(6).toString('hex')}`
    await migrateOnce({ driver: 'pglite', dataDir: mine })
    await rename(mine, template).catch(() => rm(mine, { recursive: true, force: true }))
  }
  const dataDir = join(tmpdir(), `gatehouse-test-${randomBytes(6).toString('hex')}`)
  t.teardown(() => rm(dataDir, { recursive: true, force: true }))
  await cp(template, dataDir, { recursive: true })
  return dataDir
}

async function migrateOnce(options: DatabaseOptions): Promise<void> {
  const database = await openDatabase(options)
  try {
    await migrate(database)
  } finally {
    await database.close()
  }
}
