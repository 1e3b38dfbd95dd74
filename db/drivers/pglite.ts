import { join, resolve } from 'node:path'
import type { PGlite } from '@electric-sql/pglite'
import { drizzle } from 'drizzle-orm/pglite'
import type { Database, DatabaseOptions } from '../database.ts'
import { extendSchema } from '../plugin-schema.ts'
import { lockDirectory } from './directory-lock.ts'
import { createPgliteClient, type PgliteClient } from './pglite-client.ts'
import { PgliteKeeper } from './pglite-keeper.ts'
import { defaults } from './pooled.ts'
import { watched } from './watched.ts'

/** The embedded Postgres, in a thread of this process and in one directory. Throws `DATA_DIR_LOCKED`, `DATA_DIR_UNWRITABLE`. */
export async function openPglite(options: DatabaseOptions): Promise<Database> {
  const dataDir = resolve(options.dataDir ?? '.data')
  const patienceMs = options.connectionTimeoutMs ?? defaults.connectionTimeoutMs
  const lock = await lockDirectory(dataDir)
  const keeper = await PgliteKeeper.open({
    directory: join(dataDir, 'postgres'),
    waitingMax: options.waitingMax ?? defaults.waitingMax,
    onAway: options.onAway
  }).catch(async (error: unknown) => {
    await lock.release()
    throw error
  })
  const statementTimeoutMs = options.statementTimeoutMs ?? defaults.statementTimeoutMs
  const lend = keeper.lender({ patienceMs, statementTimeoutMs })
  const client = watched(createPgliteClient(lend))
  const direct = watched(createPgliteClient(keeper.lender({ patienceMs: undefined, statementTimeoutMs: undefined })))
  const extended = extendSchema(options.pluginTables ?? [])
  const dbOf = (client: PgliteClient) =>
    // Drizzle asks for a whole PGlite and calls `query` and `transaction`.
    drizzle(client as unknown as PGlite, { schema: extended.schema })
  let closing: Promise<void> | undefined

  return {
    driver: 'pglite',
    ...extended,
    db: dbOf(client),
    patienceMs,
    awake: () => true,
    async ping() {
      await client.query('select 1')
    },
    withDirectClient: (work) => work({ query: direct.query, db: dbOf(direct) }),
    listen: (channel, onNotify, onLost) => keeper.listen(lend, { channel, onNotify, onLost }),
    close() {
      closing ??= (async () => {
        await keeper.close()
        await lock.release()
      })()
      return closing
    }
  }
}
