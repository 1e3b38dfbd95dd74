import { setTimeout as wait } from 'node:timers/promises'

/** Work that goes on after its response, mails above all. A gateway waits for it when it closes. */
export class BackgroundTasks {
  readonly #tasks = new Set<Promise<void>>()

  add(task: Promise<void>): void {
    this.#tasks.add(task)
    const done = () => this.#tasks.delete(task)
    task.then(done, done)
  }

  /** Resolves when all of it is done, or after so many milliseconds. */
  async settled(limitMs: number): Promise<void> {
    if (this.#tasks.size > 0)
      await Promise.race([Promise.allSettled(this.#tasks), wait(limitMs, undefined, { ref: false })])
  }
}
