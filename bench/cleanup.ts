/** What has to be undone when a part of the benchmark is over: processes, directories, servers. */
export class Cleanup {
  readonly #work: (() => unknown)[] = []

  /** Remembers a step; the last one remembered is done first. */
  teardown(work: () => unknown): void {
    this.#work.push(work)
  }

  /** Does all of it once. A step that fails does not keep the others from being done. */
  async run(): Promise<void> {
    for (const work of this.#work.splice(0).reverse()) {
      try {
        await work()
      } catch {
        // What is gone already needs no undoing.
      }
    }
  }
}
