import { AsyncLocalStorage } from 'node:async_hooks'
import { type FailureKind, failureKind, sqlState } from './failure-kind.ts'

// A statement after another one failed in the same transaction; that other one has been reported.
const consequence = '25P02'

/** What is collected for everybody who watches, the innermost first. */
const watchers = new AsyncLocalStorage<readonly Set<FailureKind>[]>()

/** What watched work resolved or rejected to, and how statements failed in it, even where the work swallowed the failure. */
export type Watched<T> = (
  | { readonly ok: true; readonly result: T }
  | { readonly ok: false; readonly error: unknown }
) & {
  /** A statement or a connection attempt failed because the store could not answer. */
  readonly storeFailed: boolean
  readonly failures: ReadonlySet<FailureKind>
}

/**
 * Runs work and tells whether a statement or a connection attempt in it failed, and how. BetterAuth turns some of those
 * failures into "not signed in", and its caller could not tell an outage from a missing session. Never rejects.
 */
export async function watchStoreFailures<T>(work: () => Promise<T>): Promise<Watched<T>> {
  const failures = new Set<FailureKind>()
  const all = [failures, ...(watchers.getStore() ?? [])]
  try {
    // A drizzle query starts when it is awaited, which has to happen inside the context.
    const result = await watchers.run(all, async () => await work())
    return { ok: true, result, storeFailed: failures.has('away'), failures }
  } catch (error) {
    return { ok: false, error, storeFailed: failures.has('away'), failures }
  }
}

/**
 * Runs one statement or connection attempt, and tells those who watch for failures if it fails. Resolves and rejects as
 * the work does. The context is that of the start, since a driver may reject in that of somebody else.
 */
export async function reportFailure<T>(work: () => Promise<T>): Promise<T> {
  const told = watchers.getStore() ?? []
  try {
    return await work()
  } catch (error) {
    if (sqlState(error) !== consequence) for (const failures of told) failures.add(failureKind(error))
    throw error
  }
}
