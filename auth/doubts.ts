const batch = 500

/**
 * What has to be read again. Whatever is doubted in one turn of the event loop is read together, 500 at a time, one
 * reading after the other until nothing is in doubt. `read` handles its own failures: it must not reject.
 */
export class Doubts<T> {
  readonly #read: (doubtful: readonly T[]) => Promise<void>
  readonly #doubtful = new Set<T>()
  #reading = false

  constructor(read: (doubtful: readonly T[]) => Promise<void>) {
    this.#read = read
  }

  add(items: Iterable<T>): void {
    for (const item of items) this.#doubtful.add(item)
    if (this.#doubtful.size === 0 || this.#reading) return
    this.#reading = true
    setImmediate(() => this.#next().finally(() => this.#settle()))
  }

  forget(item: T): void {
    this.#doubtful.delete(item)
  }

  #next(): Promise<void> {
    const next = [...this.#doubtful].slice(0, batch)
    for (const item of next) this.#doubtful.delete(item)
    return next.length === 0 ? Promise.resolve() : this.#read(next)
  }

  #settle(): void {
    this.#reading = false
    this.add([])
  }
}
