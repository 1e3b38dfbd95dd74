import { createHash, randomBytes } from 'node:crypto'
import { cp, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import type { DatabaseOptions } from '../../db/database.ts'
import { migrate } from '../../db/migrate.ts'
import { openDatabase } from '../../db/open-database.ts'
import type { Teardown } from './postgres.ts'

/**
 * A directory with a migrated embedded database in it, or with one that has nothing in it, gone with the test. Copied:
 * making one takes seconds.
 */
export async function makeEmbedded(t: Teardown, migrated = true): Promise<string> {
  const hash = createHash('sha256')
  const folder = new URL('../../db/', import.meta.url)
  const migrations = (await readdir(new URL('migrations', folder))).filter((file) => file.endsWith('.sql'))
  for (const part of ['migration-record.ts', ...migrations.sort().map((file) => `migrations/${file}`)])
    hash.update(await readFile(new URL(part, folder)))
  hash.update(await readFile(new URL('../../node_modules/@electric-sql/pglite/package.json', import.meta.url)))
  const key = `${hash.digest('hex').slice(0, 12)}${migrated ? '' : '-empty'}`
  const template = join(tmpdir(), `gatehouse-pglite-${key}-${userInfo().uid}`)
  if (!(await stat(template).catch(() => null))) {
    const mine = `${template}-${randomBytes(6).toString('hex')}`
    if (migrated) await migrateOnce({ driver: 'pglite', dataDir: mine })
    else await (await openDatabase({ driver: 'pglite', dataDir: mine })).close()
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
