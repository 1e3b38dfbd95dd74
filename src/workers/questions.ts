interface Asked<A> {
  readonly resolve: (answer: A) => void
  readonly timer: NodeJS.Timeout
}

/** Questions to another process and the answers that came back, matched by their ids. */
export class Questions<A extends { readonly id: number }> {
  readonly #asked = new Map<number, Asked<A>>()
  readonly #withinMs: number
  #last = 0

  constructor(withinMs: number) {
    this.#withinMs = withinMs
  }

  /** `send` is given the id to ask under. Rejects when no answer comes in time. */
  ask(send: (id: number) => void): Promise<A> {
    this.#last++
    const id = this.#last
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#asked.delete(id)
        reject(new Error('another process of this gateway does not answer'))
      }, this.#withinMs)
      timer.unref()
      this.#asked.set(id, { resolve, timer })
      send(id)
    })
  }

  answered(answer: A): void {
    const asked = this.#asked.get(answer.id)
    if (asked === undefined) return
    this.#asked.delete(answer.id)
    clearTimeout(asked.timer)
    asked.resolve(answer)
  }
}
