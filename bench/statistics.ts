/** The middle of some numbers; NaN of none. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

/** A quantile between 0 and 1, interpolated between its neighbours; NaN of no numbers. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  const place = (sorted.length - 1) * q
  const below = sorted[Math.floor(place)] ?? Number.NaN
  const above = sorted[Math.ceil(place)] ?? Number.NaN
  return below + (above - below) * (place - Math.floor(place))
}

/** Between which values something lies. */
export interface Interval {
  readonly low: number
  readonly high: number
}

/**
 * The 95 % interval of the median, by drawing the rounds again with replacement 2,000 times (percentile bootstrap). The
 * draws are the same every time, so that the same figures have the same interval.
 */
export function medianInterval(values: readonly number[]): Interval {
  const random = sequence(values.length)
  const medians = Array.from({ length: 2_000 }, () =>
    median(values.map(() => values[Math.floor(random() * values.length)] ?? Number.NaN))
  )
  return { low: quantile(medians, 0.025), high: quantile(medians, 0.975) }
}

// Mulberry32: small, and good enough to pick rounds.
function sequence(seed: number): () => number {
  let state = seed + 0x9e3779b9
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
