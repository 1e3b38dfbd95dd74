const steps = 10

/** Nothing came of it in time. */
export class TimeoutError extends Error {}

/**
 * What the promise becomes, unless that takes longer than `ms`: then it rejects with a {@link TimeoutError} of this
 * message. The time is counted in ten steps, so that a process whose event loop stood still for longer than `ms` still
 * reads an answer that arrived meanwhile. Infinity: no limit.
 */
export async function withTimeout<T>(ms: number, promise: Promise<T>, message: string): Promise<T> {
  if (ms === Number.POSITIVE_INFINITY) return await promise
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    let left = steps
    const step = () => {
      timer = left-- > 0 ? setTimeout(step, ms / steps) : undefined
      if (timer === undefined) reject(new TimeoutError(message))
    }
    step()
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Runs work after so many milliseconds, unless the process ends before; answers how to call it off. */
export function runLater(ms: number, work: () => void): () => void {
  const timer = setTimeout(work, ms)
  timer.unref()
  return () => clearTimeout(timer)
}
