/** What is known about a header name. */
export interface KnownName<T> {
  readonly name: string
  readonly about: T
}

// Of one length. With more of them a name is no longer found sooner than made.
const keptAtMost = 16
const longestKept = 64

/**
 * Header names that have come, each with what was found out about it, found again by their bytes: to make a string of a
 * name, for every header of every response, costs more than everything that is asked about it.
 */
export class HeaderNames<T> {
  readonly #describe: (name: string) => T
  readonly #byLength: (KnownName<T> & { readonly bytes: Uint8Array })[][] = []

  constructor(describe: (name: string) => T) {
    this.#describe = describe
  }

  /** One byte a character, whichever form it has. */
  of(raw: Buffer | string): KnownName<T> {
    const bytes = typeof raw === 'string' ? Buffer.from(raw, 'latin1') : raw
    let kept = this.#byLength[bytes.length]
    if (kept !== undefined) for (const known of kept) if (isSame(bytes, known.bytes)) return known
    const name = bytes.toString('latin1')
    if (bytes.length > longestKept) return { name, about: this.#describe(name) }
    // A copy: what came lies in memory that is read into again.
    const known = { name, about: this.#describe(name), bytes: Uint8Array.from(bytes) }
    // Begun anew, and not left as it is: made-up names that came first would slow all others down for good.
    if (kept === undefined || kept.length === keptAtMost) kept = this.#byLength[bytes.length] = []
    kept.push(known)
    return known
  }
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  for (let i = 0; i < one.length; i++) if (one[i] !== other[i]) return false
  return true
}
