import { join, resolve } from 'node:path'
import { PGlite } from '@electric-sql/pglite'
import { drizzle } from 'drizzle-orm/pglite'
import type { Database, DatabaseOptions } from '../database.ts'
import { extendSchema } from '../plugin-tables.ts'
import { lockDirectory } from './directory-lock.ts'
import { watched } from './watched.ts'

/** The embedded Postgres, in this process and in one directory. Throws `DATA_DIR_LOCKED`, `DATA_DIR_UNWRITABLE`. */
export async function openPglite(options: DatabaseOptions): Promise<Database> {
  const dataDir = resolve(options.dataDir ?? '.data')
  const lock = await lockDirectory(dataDir)
  const pglite = await PGlite.create(join(dataDir, 'postgres')).catch(async (error: unknown) => {
    await lock.release()
    throw error
  })
  const client = watched(pglite)
  const extended = extendSchema(options.pluginTables ?? [])
  const db = drizzle(client, { schema: extended.schema })
  let closing: Promise<void> | undefined

  return {
    driver: 'pglite',
    ...extended,
    db,
    patienceMs: options.connectionTimeoutMs ?? 3_000,
    awake: () => true,
    async ping() {
      await client.query('select 1')
    },
    withDirectClient: (work) => work({ query: (sql, params) => client.query(sql, params), db }),
    async listen(channel, onNotify) {
      let stopped = false
      // Quoted, as over the wire: PGlite would fold the name to lower case. It does not find such a name again to
      // stop listening, hence the flag.
      const unlisten = await pglite.listen(`"${channel}"`, (payload) => {
        if (!stopped) onNotify(payload)
      })
      return async () => {
        if (stopped) return
        stopped = true
        if (!pglite.closed) await unlisten()
      }
    },
    close() {
      closing ??= (async () => {
        // Closing twice, or after a crash inside, is no reason to keep the lock.
        await pglite.close().catch(() => {})
        await lock.release()
      })()
      return closing
    }
  }
}
