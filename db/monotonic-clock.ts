const jumpMs = 1_000

/**
 * A clock for how old something is, in ms: it never goes back, whoever sets the time, and it counts the time for which
 * the machine was suspended, which the monotonic clock leaves out. A step forward of the wall clock counts as time too.
 */
export function createMonotonicClock(wall: () => number = Date.now, monotonic = () => performance.now()): () => number {
  let apart = wall() - monotonic()
  let missed = 0
  return function elapsed() {
    const time = monotonic()
    const now = wall() - time
    if (now - apart > jumpMs) missed += now - apart
    apart = now
    return time + missed
  }
}
