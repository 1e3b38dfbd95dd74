const jumpMs = 1_000

/**
 * A monotonic clock for ages, in ms. It never goes back when somebody sets the wall clock. Unlike `performance.now` it
 * counts the time for which the machine was suspended: a wall clock that runs ahead by more than a second is taken for
 * that, so setting it forward counts as time, too.
 */
export function createMonotonicClock(wall: () => number = Date.now, monotonic = () => performance.now()): () => number {
  let apart = wall() - monotonic()
  let missed = 0
  return function now() {
    const time = monotonic()
    const apartNow = wall() - time
    if (apartNow - apart > jumpMs) missed += apartNow - apart
    apart = apartNow
    return time + missed
  }
}
