import { median, quantile } from '../statistics.ts'

/** A number with as many digits as mean something; `–` for NaN. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return '–'
  const size = Math.abs(value)
  if (size >= 100) return Math.round(value).toLocaleString('en-US')
  return value.toFixed(size >= 10 ? 1 : 2)
}

/** The median and the middle half of some numbers: `42 (40–45)`. */
export function spread(values: readonly number[], scale = 1): string {
  if (values.length === 0 || values.some(Number.isNaN)) return '–'
  const scaled = values.map((value) => value * scale)
  if (values.length === 1) return digits(median(scaled))
  return `${digits(median(scaled))} (${digits(quantile(scaled, 0.25))}–${digits(quantile(scaled, 0.75))})`
}

/** Bytes as megabytes. */
export const megabytes = 1 / 1_048_576

/** Bytes as kilobytes. */
export const kilobytes = 1 / 1_024
