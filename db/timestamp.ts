import { customType } from 'drizzle-orm/pg-core'

/**
 * A column that holds a point in time. Our migrations make it a `timestamp with time zone`, BetterAuth's own generator a
 * plain `timestamp` in UTC. Both are read and written alike, whatever the time zone of the process or the database.
 */
export const timestamp = customType<{ data: Date; driverData: string }>({
  dataType: () => 'timestamp with time zone',
  fromDriver: readTimestamp,
  toDriver: (value) => value.toISOString()
})

/** Reads a timestamp as Postgres prints it; without a zone it is UTC. An invalid date where it is not one, as `infinity`. */
export function readTimestamp(value: string | Date): Date {
  if (value instanceof Date) return value
  const parts = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d(?:\.\d+)?)(?:Z|([+-]\d\d)(?::?(\d\d))?)?$/.exec(value)
  if (parts === null) return new Date(Number.NaN)
  const [, day, time, hours = '+00', minutes = '00'] = parts
  return new Date(`${day}T${time}${hours}:${minutes}`)
}
