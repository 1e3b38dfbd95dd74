import createError from '@fastify/error'

/** Another process uses the embedded database's directory. Takes the directory. */
export const DataDirLockedError = createError<[string]>(
  'DATA_DIR_LOCKED',
  'The embedded database in %s is in use by another process, and it can serve only one. Stop that one, use another DATA_DIR, or set DATABASE_URL to a Postgres that many can share.'
)

/** The embedded database's directory cannot be made or written. Takes the directory and the cause's code. */
export const DataDirUnwritableError = createError<[string, string, { cause: unknown }]>(
  'DATA_DIR_UNWRITABLE',
  'The data directory %s cannot be written (%s). Give this user permission to write there, or set DATA_DIR to a directory where it may.'
)

/** The driver needs an address and none was given. Takes the driver. */
export const DatabaseUrlMissingError = createError<[string]>(
  'DATABASE_URL_MISSING',
  'The database driver %s needs DATABASE_URL.'
)

/** The tables are not those that this version needs. Takes the names of the pending migrations. */
export const MigrationsPendingError = createError<[string]>(
  'MIGRATIONS_PENDING',
  'The database lacks these migrations: %s. Run `gatehouse migrate` first.'
)

/** Migrations and events need a connection of their own, which a pooler does not give. */
export const PooledConnectionError = createError(
  'POOLED_CONNECTION',
  'Neon\'s pooled address ("-pooler") can neither migrate nor listen. Set DATABASE_URL_UNPOOLED to the direct address of the same database.'
)

/** Tables exist that this project did not make. Takes their names. */
export const AdoptionRequiredError = createError<[string]>(
  'ADOPTION_REQUIRED',
  "The database has tables that these migrations did not make: %s. If BetterAuth made them, run `gatehouse check` to see what differs and `gatehouse migrate --adopt` to take them over. If they are another application's, give Gatehouse a schema of its own: DATABASE_SCHEMA=auth. Nothing was changed."
)

const AdoptionMismatch = createError<[string]>(
  'ADOPTION_MISMATCH',
  'The existing tables cannot be adopted; nothing was changed. What stands in the way: %s.'
)

/** The existing tables differ in more than what is missing. `differences` has one sentence each. */
export class AdoptionMismatchError extends AdoptionMismatch {
  readonly differences: readonly string[]

  constructor(differences: readonly string[]) {
    super(differences.join('; '))
    this.differences = differences
  }
}

/** Gatehouse has its tables in another schema of the database. Takes that one, and the one that is configured. */
export const SchemaChangedError = createError<[string, string]>(
  'SCHEMA_CHANGED',
  "Gatehouse's tables are in the schema %s of this database, and in %s, which DATABASE_SCHEMA says, there are none. Put DATABASE_SCHEMA back; for a second gateway with users of its own, run `gatehouse migrate --beside` once. Nothing was changed."
)

/** Ids were made in another way before. Takes their type in the database, and the kind that is configured. */
export const IdKindError = createError<[string, string]>(
  'ID_KIND_MISMATCH',
  'auth.advanced.database.generateId: the ids in the database are of the type %s, and those that are configured are %s. The kind of ids is chosen once, for a new database: "uuid", "serial", or left out for text. Nothing was changed.'
)

/** What plugins of BetterAuth need cannot be added. Takes what stands in the way, in sentences. */
export const PluginTablesError = createError<[string]>(
  'PLUGIN_TABLES_MISMATCH',
  'What the plugins and fields of the policy file need cannot be added to the database; nothing was changed. What stands in the way: %s.'
)

/** The database's queue of notifications fills up, and once it is full statements that notify fail. */
export const NotificationQueueFullError = createError(
  'NOTIFICATION_QUEUE_FULL',
  "The database's queue of notifications is more than half full: somebody who listens has had a transaction open for too long."
)

/** A connection that listens does not receive what another connection notifies. */
export const NotificationsNotHeardError = createError(
  'NOTIFICATIONS_NOT_HEARD',
  'What one connection announces does not reach another that listens: either the address is that of a pooler, or DATABASE_URL_UNPOOLED is that of another database. Set DATABASE_URL_UNPOOLED to the direct address of the same database, or SESSION_EVENTS=off.'
)

/** The circuit breaker is open: probes of the last moments were not answered. */
export const DatabaseAwayError = createError('DATABASE_AWAY', 'The database does not answer.')

/** Too many statements wait for a connection, or this one has waited too long. */
export const DatabaseBusyError = createError('DATABASE_BUSY', 'Too many wait for the database.')
