import type { Database, DatabaseOptions } from './database.ts'

/**
 * Opens the database. With pg and neon nothing is connected until it is used; with pglite the directory is locked and
 * opened. Throws `DATABASE_URL_MISSING`, `DATA_DIR_LOCKED`, `DATA_DIR_UNWRITABLE`.
 */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  // Each driver is loaded only when it is the one: PGlite alone costs 0.3 s and 250 MB.
  switch (options.driver) {
    case 'pglite':
      return (await import('./drivers/embedded.ts')).openEmbedded(options)
    case 'pg':
      return (await import('./drivers/postgres.ts')).openPostgres(options)
    case 'neon':
      return (await import('./drivers/neon.ts')).openNeon(options)
  }
}
