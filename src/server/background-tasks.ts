import { setTimeout as wait } from 'node:timers/promises'

/** Work that goes on after an answer, mails above all: it is not lost when the gateway closes. */
export interface Background {
  keep(task: Promise<void>): void
  /** Resolves when all of it is done, or after so many milliseconds. */
  settled(limitMs: number): Promise<void>
}

export function createBackground(): Background {
  const tasks = new Set<Promise<void>>()
  return {
    keep(task) {
      tasks.add(task)
      const done = () => tasks.delete(task)
      task.then(done, done)
    },
    async settled(limitMs) {
      if (tasks.size > 0) await Promise.race([Promise.allSettled(tasks), wait(limitMs, undefined, { ref: false })])
    }
  }
}
