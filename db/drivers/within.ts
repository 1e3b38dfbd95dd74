const steps = 10

/**
 * What the promise becomes, unless that takes longer than `ms`: then it rejects with an error of this message. Counted
 * in steps: a process that was busy with itself for longer than `ms` could not have noticed an answer, and waits on.
 */
export async function within<T>(ms: number, promise: Promise<T>, message: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    let left = steps
    const step = () => {
      timer = left-- > 0 ? setTimeout(step, ms / steps) : undefined
      if (timer === undefined) reject(new Error(message))
    }
    step()
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
