/** How numbers are spread. */
export interface Spread {
  readonly count: number
  readonly p50: number
  readonly p99: number
  readonly max: number
}

/** The spread of these numbers, rounded to tenths; zeros without any. */
export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (share: number) => {
    const value = sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? 0
    return Math.round(value * 10) / 10
  }
  return { count: sorted.length, p50: at(0.5), p99: at(0.99), max: at(1) }
}

/** Adds one to what is counted under this name. */
export function count(counts: Record<string, number>, name: string | number): void {
  counts[name] = (counts[name] ?? 0) + 1
}
