import { createHash, randomBytes } from 'node:crypto'
import { cp, readFile, rename, rm, stat } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import type { DatabaseOptions } from '../../db/database.ts'
import { migrate } from '../../db/migrate.ts'
import { openDatabase } from '../../db/open-database.ts'
import type { Teardown } from './postgres.ts'

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

/** Opens a database, makes its tables and closes it. */
export async function migrateOnce(options: DatabaseOptions): Promise<void> {
  const database = await openDatabase(options)
  try {
    await migrate(database)
  } finally {
    await database.close()
  }
}
