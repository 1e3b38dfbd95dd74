import { customType } from 'drizzle-orm/pg-core'

/**
 * A point in time. New tables get `timestamp with time zone`; a table that BetterAuth's own generator made has a plain
 * `timestamp`, which holds UTC. Both read and write alike, whatever the time zone of the process or the database.
 */
export const timestamp = customType<{ data: Date; driverData: string }>({
  dataType: () => 'timestamp with time zone',
  fromDriver: readTimestamp,
  toDriver: (value) => value.toISOString()
})

/** Reads a timestamp as Postgres prints it; one without a zone is UTC. An invalid date for what is none (`infinity`). */
export function readTimestamp(value: string | Date): Date {
  if (value instanceof Date) return value
  const parts = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d(?:\.\d+)?)(?:Z|([+-]\d\d)(?::?(\d\d))?)?$/.exec(value)
  if (parts === null) return new Date(Number.NaN)
  const [, day, time, hours = '+00', minutes = '00'] = parts
  return new Date(`${day}T${time}${hours}:${minutes}`)
}
