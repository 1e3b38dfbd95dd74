import { AsyncLocalStorage } from 'node:async_hooks'

interface Scope {
  failed: boolean
  readonly outer: Scope | undefined
}

const scopes = new AsyncLocalStorage<Scope>()

/** What came of watched work, and whether the store failed anywhere in it, even where the failure was swallowed. */
export type Watched<T> =
  | { readonly ok: true; readonly result: T; readonly storeFailed: boolean }
  | { readonly ok: false; readonly error: unknown; readonly storeFailed: boolean }

/**
 * Runs work and tells whether a statement or a connection attempt of it failed because the store could not answer.
 * BetterAuth turns some of those failures into "not signed in"; this is how its caller knows better. Never rejects.
 */
export async function watchStoreFailures<T>(work: () => Promise<T>): Promise<Watched<T>> {
  const scope: Scope = { failed: false, outer: scopes.getStore() }
  try {
    // A drizzle query starts when it is awaited, and that has to be in here.
    const result = await scopes.run(scope, async () => await work())
    return { ok: true, result, storeFailed: scope.failed }
  } catch (error) {
    return { ok: false, error, storeFailed: scope.failed }
  }
}

/**
 * Whether what a statement or connection attempt rejected with means that the store could not answer: everything but
 * bad data (SQLSTATE class 22) and broken constraints (class 23). Looks through `cause`.
 */
export function isStoreFailure(error: unknown): boolean {
  const state = sqlState(error)
  return state === undefined || !(state.startsWith('22') || state.startsWith('23'))
}

/** The SQLSTATE that Postgres gave, looked for through `cause`; undefined when the error is none of Postgres'. */
export function sqlState(error: unknown): string | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth++) {
    // Five characters with a digit: 'EPIPE' is the operating system's.
    if ('code' in at && typeof at.code === 'string' && /^(?=.*\d)[0-9A-Z]{5}$/.test(at.code)) return at.code
  }
  return undefined
}

/** For the drivers: call it where a statement starts, and what it returns with the error should the statement fail. */
export function failureReporter(): (error: unknown) => void {
  const scope = scopes.getStore()
  return (error) => {
    if (!isStoreFailure(error)) return
    for (let at = scope; at !== undefined; at = at.outer) at.failed = true
  }
}
